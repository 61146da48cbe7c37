"""Cross-validation: no model classifies images it was trained on, finished folds are saved, corrections need no new training."""

from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import ImportedSource
from cnn_core.data.open import open_source
from cnn_core.data.source import DataSource, ImageSet, finish
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import EVALUATIONS, Home, cached_results
from cnn_core.metrics.label_errors import find_label_errors
from cnn_core.training import cross_validation
from cnn_core.training.cross_validation import (
    MODEL_STAGE,
    TOO_FEW_IMAGES,
    cross_validate_run,
    load_all_training_images,
    quick_recipe,
    stratified_folds,
)
from cnn_core.training.out_of_fold import OutOfFoldPredictions, read_out_of_fold
from tests.helpers import drain, is_a_sentence, tiny_config, write_images


class Watched:
    """The real preparation of a network, with the rows it is given written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.learned: list[set[int]] = []
        self._prepare = cross_validation.make_trainer
        monkeypatch.setattr(cross_validation, "make_trainer", self)

    def __call__(
        self, config: TrainConfig, info: object, images: ImageSet, device: object, validation: ImageSet, store: object
    ) -> object:
        self.learned.append({*images.rows.tolist(), *validation.rows.tolist()})
        return self._prepare(config, info, images, device, validation, store)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


@pytest.fixture
def source(home: Home, image_folder: Path) -> DataSource:
    source = open_source(str(image_folder), home)
    finish(source.ensure_imported())
    return open_source(str(image_folder), home)


@pytest.fixture
def recipe(image_folder: Path) -> TrainConfig:
    return tiny_config(image_folder, epochs=3)


def cross_validated(source: DataSource, folder: Path, recipe: TrainConfig, folds: int = 3) -> OutOfFoldPredictions:
    return finish(cross_validate_run(source, folder, recipe, folds))


def corrections(source: DataSource) -> ImportedSource:
    return ImportedSource(source.folder)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_class_is_dealt_out_evenly(folds: int):
    labels = np.random.default_rng(0).choice(4, 203, p=[0.5, 0.3, 0.18, 0.02])
    fold_of = stratified_folds(labels, folds, seed=1)
    assert np.ptp(np.bincount(fold_of, minlength=folds)) <= 1
    for label in range(4):
        assert np.ptp(np.bincount(fold_of[labels == label], minlength=folds)) <= 1
    assert np.array_equal(fold_of, stratified_folds(labels, folds, seed=1))
    assert not np.array_equal(fold_of, stratified_folds(labels, folds, seed=2))


def test_too_few_images_are_refused_with_a_message():
    with pytest.raises(DataError, match=TOO_FEW_IMAGES.format(count=7, folds=4)) as refusal:
        stratified_folds(np.zeros(7, int), 4, seed=0)
    assert is_a_sentence(refusal.value)


def test_no_model_has_seen_an_image_that_it_judges(source: DataSource, recipe: TrainConfig, tmp_path: Path, watched: Watched):
    images = finish(load_all_training_images(source))
    seen, found = drain(cross_validate_run(source, tmp_path, recipe, 3))
    fold_of, everything = stratified_folds(images.labels, 3, recipe.seed), set(images.rows.tolist())
    assert [everything - rows for rows in watched.learned] == [set(images.rows[fold_of == fold].tolist()) for fold in range(3)]
    assert np.array_equal(found.rows, images.rows) and found.logits.shape == (len(images), 3)
    assert all(isinstance(event, Progress) for event in seen)
    models = [MODEL_STAGE.format(number=number, folds=3) for number in (1, 2, 3)]
    assert {event.stage.partition(":")[0] for event in seen} >= set(models)
    assert not any(event.stage.startswith(MODEL_STAGE.format(number=4, folds=3)) for event in seen)


def test_models_recognise_what_they_never_saw_and_doubt_labels_that_are_wrong(home: Home, tmp_path: Path):
    image_folder = write_images(tmp_path / "more", count=30)
    source = open_source(str(image_folder), home)
    finish(source.ensure_imported())
    rows, labels = corrections(source).index.used_rows("train")
    flipped = rows[[3, 20, 40]]
    corrections(source).index.corrections.apply(flipped.tolist(), "label", [int(label + 1) % 3 for label in labels[[3, 20, 40]]])
    images = finish(load_all_training_images(source))
    evaluation = cross_validated(source, tmp_path, tiny_config(image_folder, epochs=8)).evaluate(images)
    errors = find_label_errors(evaluation)
    assert evaluation.accuracy > 0.85
    assert set(images.rows[errors.indices[:3]].tolist()) == set(flipped.tolist())
    given = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    assert [given[row] for row in images.rows[errors.indices[:3]].tolist()] == errors.suggested[:3].tolist()


def test_work_that_was_cut_off_continues_with_the_next_model(
    source: DataSource, recipe: TrainConfig, tmp_path: Path, watched: Watched
):
    whole = cross_validated(source, tmp_path / "whole", recipe)
    steps = cross_validate_run(source, tmp_path / "cut", recipe, 3)
    while not (stage := next(steps)).stage.startswith(MODEL_STAGE.format(number=3, folds=3)):
        assert stage.total
    steps.close()
    assert read_out_of_fold(tmp_path / "cut", source.info, recipe, 3) is None
    trained = len(watched.learned)
    found = cross_validated(source, tmp_path / "cut", recipe)
    assert len(watched.learned) == trained + 1
    assert np.array_equal(found.logits, whole.logits)
    assert not list((tmp_path / "cut" / EVALUATIONS).glob("fold-*"))


def test_what_was_done_with_other_labels_is_no_part_of_it(
    source: DataSource, recipe: TrainConfig, tmp_path: Path, watched: Watched
):
    steps = cross_validate_run(source, tmp_path, recipe, 3)
    while not next(steps).stage.startswith(MODEL_STAGE.format(number=3, folds=3)):
        pass
    steps.close()
    trained, (rows, labels) = len(watched.learned), corrections(source).index.used_rows("train")
    corrections(source).index.corrections.apply([int(rows[0])], "label", int(labels[0] + 1) % 3)
    cross_validated(source, tmp_path, recipe)
    assert len(watched.learned) == trained + 3


def test_corrected_labels_and_excluded_images_need_no_new_training(
    source: DataSource, recipe: TrainConfig, tmp_path: Path, watched: Watched
):
    before = cross_validated(source, tmp_path, recipe)
    trained, (rows, labels) = len(watched.learned), corrections(source).index.used_rows("train")
    corrections(source).index.corrections.apply([int(rows[2])], "label", int(labels[2] + 1) % 3)
    corrections(source).index.corrections.apply([int(rows[5])], "is_excluded", 1)
    assert not cached_results(tmp_path)  # which are deleted to free space
    after = cross_validated(source, tmp_path, recipe)
    assert len(watched.learned) == trained and np.array_equal(after.logits, before.logits)
    images = finish(load_all_training_images(source))
    evaluation = after.evaluate(images)
    remaining = np.flatnonzero(rows != rows[5])
    assert np.array_equal(evaluation.logits, before.logits[remaining]) and np.array_equal(evaluation.labels, images.labels)
    assert evaluation.labels[2] != labels[2]
    assert evaluation.key != before.evaluate(images.take(np.arange(5))).key


@pytest.mark.parametrize("what", ["settings", "images", "damage"])
def test_anything_else_is_computed_anew(
    source: DataSource, recipe: TrainConfig, tmp_path: Path, watched: Watched, what: str, image_folder: Path
):
    cross_validated(source, tmp_path, recipe)
    trained = len(watched.learned)
    match what:
        case "settings":
            recipe = tiny_config(image_folder, epochs=3, learning_rate=0.001)
        case "images":
            for file in (image_folder / "red").glob("*.png"):
                (image_folder / "red" / f"more-{file.name}").write_bytes(file.read_bytes() + b"\0")
            source = open_source(str(image_folder), source._home)
        case "damage":
            (file,) = (tmp_path / EVALUATIONS).glob("unseen-*[0-9a-f].npy")
            file.write_bytes(file.read_bytes()[:100])
    found = cross_validated(source, tmp_path, recipe)
    assert len(watched.learned) == trained + 3
    assert found.covers(finish(load_all_training_images(source)).rows)


def test_validation_images_of_the_sets_own_are_judged_too(home: Home, tmp_path: Path):
    for number, split in enumerate(("train", "val", "test")):
        write_images(tmp_path / "parted" / split, count=6, seed=number)
    source = open_source(str(tmp_path / "parted"), home)
    finish(source.ensure_imported())
    images = finish(load_all_training_images(source))
    rows = np.concatenate([corrections(source).index.used_rows(split)[0] for split in ("train", "val")])
    assert source.info.val_count == 18 and np.array_equal(images.rows, np.sort(rows))
    found = cross_validated(source, tmp_path, tiny_config(tmp_path / "parted", epochs=1))
    assert np.array_equal(found.rows, images.rows) and np.isfinite(found.logits).all()


def test_the_quick_recipe_keeps_what_belongs_to_the_images_and_fits_their_number():
    digits, own = make_config(data="digits", seed=7, device="cpu"), make_config(data="digits", flip="random")
    many, few = quick_recipe(digits, 32, 50_000), quick_recipe(own, 32, 1000)
    assert (many.model, many.flip, many.seed, many.device, many.mirror) == ("speed", "off", 7, "cpu", False)
    assert (few.flip, few.mirror) == ("alternating", True) and few.epochs > many.epochs
    assert quick_recipe(digits, 8, 50_000) == digits  # too small for its network


def test_more_images_in_a_batch_than_are_left_become_one_batch(source: DataSource, tmp_path: Path, image_folder: Path):
    found = cross_validated(source, tmp_path, tiny_config(image_folder, batch_size=500, epochs=1))
    assert np.isfinite(found.logits).all()
