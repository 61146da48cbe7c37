"""Runs of which only the head learns: the second computes no features, its weights have the same bits, and its evaluation reads them too."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.config.images import open_images
from cnn_core.data.batches import Batches
from cnn_core.data.imported import ImportedSource
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Event, Finished, Note, Progress
from cnn_core.explain.embedding import compute_features
from cnn_core.features.frozen_layers import STAGE
from cnn_core.features.store import drop_features, feature_files, open_feature_store
from cnn_core.home import Home
from cnn_core.metrics.evaluation import evaluate, evaluate_run, load_split
from cnn_core.models.saving import load_model
from cnn_core.training.cross_validation import HEAD_FOLDS, cross_validate_run, load_all_training_images, quick_recipe
from cnn_core.training.out_of_fold import read_out_of_fold, rows_of
from cnn_core.training.recipe import train_run
from tests.data.imports import run_import
from tests.helpers import tiny_config, write_images

CPU = torch.device("cpu")
SETTINGS = {"model": "efficientnet-lite0", "train": "head", "seed": 3}


@pytest.fixture
def source(tmp_path: Path, home: Home) -> ImportedSource:
    return run_import(home, write_images(tmp_path / "pictures", size=(32, 32)), image_size=32)


def train(home: Home, name: str, **chosen: object) -> tuple[list[Event], dict[str, torch.Tensor]]:
    """Train in the folder of run `name`; return the events, and the weights of the best model."""
    folder = home.run_folder(name)
    folder.mkdir(parents=True)
    events = [event for event in train_run(tiny_config(Path("mine"), **(SETTINGS | chosen)), folder, home) if event]
    return events, load_model(folder, CPU)[0].state_dict()


def computed_images(events: list[Event]) -> int:
    """For how many images features were computed, up to the last batch."""
    stages = [event for event in events if isinstance(event, Progress) and event.stage == STAGE]
    return sum(event.total - event.done for event in stages if event.done == 0) or len(stages)


def test_a_second_training_computes_no_features_and_ends_with_the_same_bits(
    source: ImportedSource, home: Home, monkeypatch: pytest.MonkeyPatch
):
    first, weights = train(home, "0001-first")
    (file,) = feature_files(source.folder)
    written = file.stat().st_mtime_ns
    second, same = train(home, "0002-second")
    (source.folder / "features").rename(source.folder / "others")
    (source.folder / "features").touch()  # a file, so that nothing can be kept
    third, without = train(home, "0003-third")
    assert [computed_images(events) for events in (first, second, third)] == [30, 0, 24], "the test images from their pixels"
    for name, value in weights.items():
        assert torch.equal(value, same[name]) and torch.equal(value, without[name]), name
    ends = [next(event for event in events if isinstance(event, Finished)) for events in (first, second, third)]
    assert ends[0] == ends[1] and ends[0].test_loss == pytest.approx(ends[2].test_loss, rel=1e-5)
    assert not [event for event in second if isinstance(event, Note)]
    assert (source.folder / "others" / file.name).stat().st_mtime_ns == written

    (source.folder / "features").unlink()
    (source.folder / "others").rename(source.folder / "features")
    config, folder = tiny_config(Path("mine"), **SETTINGS), home.run_folder("0001-first")
    model, card = load_model(folder, CPU)
    images = finish(load_split(ImportedSource(source.folder), config, "val"))
    plain = finish(evaluate(model, card, images, CPU))
    features = finish(compute_features(model, card, images))
    monkeypatch.setattr(Batches, "__iter__", lambda _: pytest.fail("the images are not read again"))
    store = open_feature_store(open_source("mine", home))
    np.testing.assert_allclose(finish(compute_features(model, card, images, store)), features, rtol=1e-4, atol=1e-5)
    evaluation = finish(evaluate_run("0001-first", config, home, split="val"))
    np.testing.assert_allclose(evaluation.logits, plain.logits, rtol=1e-4, atol=1e-5)
    recipe = quick_recipe(config, 32, 30)
    predictions = finish(cross_validate_run(open_source("mine", home), folder, recipe, folds=2))
    assert recipe == config and len(predictions.rows) == 24


def test_a_run_whose_layers_all_learned_is_evaluated_from_its_images(source: ImportedSource, home: Home):
    train(home, "0001-all", train="all", head_epochs=1, epochs=2)
    config = tiny_config(Path("mine"), **(SETTINGS | {"train": "all"}))
    model, card = load_model(home.run_folder("0001-all"), CPU)
    images = finish(load_split(ImportedSource(source.folder), config, "val"))
    expected = finish(evaluate(model, card, images, CPU))
    assert feature_files(source.folder), "those of the pretrained layers, from the epoch of the head"
    assert np.array_equal(finish(evaluate_run("0001-all", config, home, split="val")).logits, expected.logits)
    assert drop_features(source.folder).freed > 0 and not feature_files(source.folder)


@pytest.mark.parametrize("chosen", [{}, {"images_per_class": 6}])
def test_the_end_of_a_training_leaves_the_out_of_fold_predictions_of_all_training_images(
    source: ImportedSource, home: Home, chosen: dict[str, int]
):
    events, _ = train(home, "0001-first", **chosen)
    config = tiny_config(Path("mine"), **(SETTINGS | chosen))
    info = open_images(config, home).info
    found = read_out_of_fold(home.run_folder("0001-first"), info, config, HEAD_FOLDS)
    assert (found is None) == bool(chosen), "the validation images of a chosen number are no training images of it"
    if found:
        images = finish(load_all_training_images(source))
        finished = next(event for event in events if isinstance(event, Finished))
        assert np.array_equal(found.rows, rows_of(images)) and len(images) == finished.out_of_fold_images
        assert found.evaluate(images).accuracy == pytest.approx(finished.out_of_fold_accuracy)
