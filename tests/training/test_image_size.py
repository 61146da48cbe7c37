"""The image size and the fit belong to the run: all that is done with its model takes them from it, and another size needs no second import."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.decoder import read_image
from cnn_core.data.importer import READING
from cnn_core.data.path_source import PathSource
from cnn_core.data.pixel_pool import PREPARING, delete_pools, pools_of
from cnn_core.data.source import finish
from cnn_core.events import Finished, Progress
from cnn_core.explain.nearest_images import open_feature_bank
from cnn_core.export.verification import predict_reference
from cnn_core.home import EVALUATIONS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.preprocessing import preprocess
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.models.saving import read_card
from cnn_core.runs.store import Store
from cnn_core.runs.submit import check_can_start, submit, training_work
from cnn_core.training.preview import preview_batch
from cnn_core.training.recipe import train_run
from tests.helpers import drain, tiny_config, write_images
from tests.training.trained_folders import are_equal, weights

SMALL = {"model": "simple", "depth": 2, "width": 0.25, "epochs": 1, "size": 20, "fit": "pad"}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return write_images(tmp_path / "pictures", ("blue", "red"), count=12, size=(90, 60))


def trained(config: TrainConfig, store: Store) -> str:
    run = submit(config, store)
    with_model = drain(train_run(config, store.home.run_folder(run), store.home))[0]
    store.log.append(run, [event for event in with_model if event])
    return run


def new_folder(store: Store, name: str) -> Path:
    folder = store.home.root / name
    folder.mkdir()
    return folder


def test_everything_takes_the_size_and_the_fit_from_the_run(photographs: Path, store: Store):
    config = tiny_config(photographs, **SMALL)
    assert check_can_start(config, store).image_size == 20  # before the import
    run, home = trained(config, store), store.home
    folder, source = home.run_folder(run), open_images(config, home)
    card = read_card(folder)
    assert (card.image_size, card.fit, card.fingerprint) == (20, "pad", source.info.fingerprint)
    (finished,) = (stored.event for stored in store.log.read(run) if isinstance(stored.event, Finished))
    shutil.rmtree(folder / EVALUATIONS)
    evaluation = finish(evaluate_run(run, config, home))
    assert evaluation.accuracy == finished.test_accuracy
    images = finish(load_split(source, config, "test"))
    assert images[:].shape[1:] == (20, 20, 3)
    assert not images[:][:, 0].any() and images[:][:, 10].any()  # the bars of “pad”
    classifier = Classifier(folder)
    again = classifier.probabilities(images[:])
    assert np.allclose(again, evaluation.probabilities(), atol=1e-5)
    name = source_path(photographs, images[0], classifier)
    assert name, "an image is prepared for the model as the training images were"
    assert finish(open_feature_bank(run, config, home)).images[0].shape == (20, 20, 3)
    assert finish(predict_reference(store, store.run(run))).images.shape[1:] == (20, 20, 3)
    assert finish(preview_batch(config, home)).pixels.shape[1:] == (20, 20, 3)


def source_path(folder: Path, pixels: np.ndarray, classifier: Classifier) -> str:
    """The file that becomes `pixels` when the classifier prepares it; "" for none."""
    for path in folder.rglob("*.*"):
        if np.array_equal(preprocess(read_image(path, path.name), classifier.card), pixels):
            return path.name
    return ""


def test_another_size_needs_no_second_import_and_the_same_size_the_same_weights(photographs: Path, store: Store):
    first = tiny_config(photographs, **SMALL)
    runs = [trained(first, store)]
    for config in (first, first.model_copy(update={"size": 28})):
        steps = drain(train_run(config, new_folder(store, f"again{config.size}"), store.home))[0]
        stages = {step.stage for step in steps if isinstance(step, Progress)}
        assert READING not in stages and (PREPARING in stages) == (config.size == 28)
    before = weights(store.home.run_folder(runs[0]))
    delete_pools(PathSource(photographs, store.home).folder)
    rebuilt = new_folder(store, "rebuilt")
    drain(train_run(first, rebuilt, store.home))
    assert are_equal(before, weights(rebuilt))


def test_a_larger_size_takes_more_work(photographs: Path, store: Store):
    configs = [tiny_config(photographs, **{**SMALL, "size": size}) for size in (32, 64)]
    small, large = (training_work(config, check_can_start(config, store)) for config in configs)
    assert 3 < large / small < 5


def test_a_set_of_squares_keeps_its_size_and_an_enlarged_one_says_so(tmp_path: Path, home: Home):
    folder = write_images(tmp_path / "small", count=4)
    config = tiny_config(folder, **{**SMALL, "size": 0})
    assert open_images(config, home).info.image_size == 16
    images = finish(open_images(config, home).load("train"))
    assert not images.notes and not pools_of(PathSource(folder, home).folder)
    larger = finish(open_images(config.model_copy(update={"size": 32}), home).load("train"))
    assert len(larger.notes) == 1 and larger[:].shape[1:] == (32, 32, 3)
