"""A run on its test images: the figures, and when kept predictions are used, renewed, or left alone."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from cnn_core.analysis.evaluation import Evaluation, evaluate_run, read_predictions
from cnn_core.config import make_config
from cnn_core.data.catalog import open_source
from cnn_core.data.source import finish
from cnn_core.errors import DataError, RunError
from cnn_core.home import PREDICTIONS
from cnn_core.models.saved import load_model, save_weights
from tests.conftest import Trained
from tests.helpers import is_a_sentence, tiny_config

CPU = torch.device("cpu")


def evaluate(trained: Trained) -> Evaluation:
    return finish(evaluate_run(trained.id, trained.run.config, trained.home))


def random_evaluation(seed: int, count: int = 200, classes: int = 5) -> Evaluation:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.5), count).astype(np.float32) * 0.999 + np.float32(0.001 / classes)
    return Evaluation(tuple("abcde"[:classes]), probabilities, rng.integers(0, classes, count))


@pytest.mark.parametrize("seed", range(10))
def test_accuracy_loss_and_confusion_equal_scikit_learns(seed: int):
    evaluation = random_evaluation(seed)
    predicted = evaluation.probabilities.argmax(1)
    assert evaluation.accuracy == pytest.approx(accuracy_score(evaluation.labels, predicted), abs=1e-12)
    doubles = evaluation.probabilities.astype(np.float64)
    expected = log_loss(evaluation.labels, doubles / doubles.sum(1, keepdims=True), labels=range(5))
    assert evaluation.loss == pytest.approx(expected, rel=1e-6)
    assert np.array_equal(evaluation.confusion, confusion_matrix(evaluation.labels, predicted, labels=range(5)))
    assert evaluation.per_class.support.sum() == len(evaluation.labels)


def test_a_loss_stays_finite_where_the_truth_was_held_impossible():
    sure = Evaluation(("a", "b"), np.array([[1, 0]], np.float32), np.array([1]))
    assert np.isfinite(sure.loss) and sure.loss > 80 and sure.accuracy == 0


@pytest.mark.parametrize("true_class", [None, 0, 3])
@pytest.mark.parametrize("is_right", [None, True, False])
def test_images_are_selected_by_true_class_and_by_right_or_wrong(true_class: int | None, is_right: bool | None):
    evaluation = random_evaluation(1)
    expected = [
        index
        for index, (row, label) in enumerate(zip(evaluation.probabilities, evaluation.labels, strict=True))
        if true_class in (None, label) and is_right in (None, bool(row.argmax() == label))
    ]
    assert expected
    assert evaluation.select(true_class=true_class, is_right=is_right).tolist() == expected


def test_a_runs_evaluation_equals_its_model_applied_to_its_test_images(digits_copy: Trained):
    (digits_copy.folder / PREDICTIONS).unlink()
    evaluation = evaluate(digits_copy)
    model, card = load_model(digits_copy.folder, CPU)
    test = finish(open_source("digits", digits_copy.home).load("test"))
    scaled = (torch.from_numpy(test.images).permute(0, 3, 1, 2).float() / 255 - card.mean[0]) / card.std[0]
    with torch.no_grad():
        expected = model(scaled).softmax(1).numpy()
    np.testing.assert_allclose(evaluation.probabilities, expected, atol=1e-5)
    assert np.array_equal(evaluation.labels, test.labels)
    assert evaluation.accuracy == pytest.approx(digits_copy.run.summary["test_accuracy"])
    assert evaluation.loss == pytest.approx(digits_copy.run.summary["test_loss"], rel=1e-5)
    assert (digits_copy.folder / PREDICTIONS).is_file()


def mark_predictions(folder: Path) -> None:
    """Change the kept predictions without changing whose they are, so that their use can be told."""
    with np.load(folder / PREDICTIONS) as kept:
        arrays = dict(kept)
    arrays["probabilities"] = np.roll(arrays["probabilities"], 1, axis=1)
    np.savez(folder / PREDICTIONS, **arrays)


def test_kept_predictions_are_used_again(digits_copy: Trained):
    before = evaluate(digits_copy)
    mark_predictions(digits_copy.folder)
    assert np.array_equal(evaluate(digits_copy).probabilities, np.roll(before.probabilities, 1, axis=1))


def test_other_weights_are_evaluated_anew_and_kept_from_then_on(digits_copy: Trained):
    before = evaluate(digits_copy)
    mark_predictions(digits_copy.folder)
    model, card = load_model(digits_copy.folder, CPU)
    with torch.no_grad():
        list(model.parameters())[-1][3] += 50  # everything is a three now
    save_weights(digits_copy.folder, model)
    after = evaluate(digits_copy)
    assert (after.predicted == 3).all() and np.array_equal(after.labels, before.labels)
    mark_predictions(digits_copy.folder)
    assert (evaluate(digits_copy).predicted == 4).all()


def test_other_images_are_evaluated_anew(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    config = tiny_config(data)
    before = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    assert len(before.labels) == 12
    for index in range(20):
        shutil.copy(data / "red" / "000.jpg", data / "red" / f"more{index}.jpg")
    after = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    assert len(after.labels) == 16 and np.bincount(after.labels).tolist() == [4, 4, 8]


def test_an_image_that_was_edited_in_its_place_is_evaluated_anew(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    config = tiny_config(data)
    before = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    for path in (data / "red").iterdir():  # red pictures turn blue
        path.write_bytes((data / "blue" / path.name).read_bytes() + b"\0")
    after = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    assert before.confusion[2, 2] > 2 and after.confusion[2, 2] == 0


def test_data_with_other_classes_is_refused_in_words(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    (data / "red").rename(data / "scarlet")
    with pytest.raises(RunError, match="no longer has the classes") as refusal:
        finish(evaluate_run(colours_copy.id, tiny_config(data), colours_copy.home))
    assert is_a_sentence(refusal.value)


def test_data_that_is_gone_and_a_run_without_a_model_are_refused_in_words(colours_copy: Trained, tmp_path: Path):
    with pytest.raises(DataError, match="nowhere") as refusal:
        finish(evaluate_run(colours_copy.id, tiny_config(tmp_path / "nowhere"), colours_copy.home))
    assert is_a_sentence(refusal.value)
    run = colours_copy.store.create(make_config())
    with pytest.raises(RunError, match="has no model yet"):
        finish(evaluate_run(run, make_config(), colours_copy.home))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive", None], ids=["empty", "a beginning", "text", "half"])
def test_damaged_kept_predictions_are_computed_anew(digits_copy: Trained, content: bytes | None):
    before = evaluate(digits_copy)
    path = digits_copy.folder / PREDICTIONS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    after = evaluate(digits_copy)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-6)
    assert path.stat().st_size > 10_000


def test_kept_predictions_with_any_damage_are_ignored_or_read_and_nothing_else(digits_copy: Trained):
    rng = random.Random(0)
    path = digits_copy.folder / PREDICTIONS
    whole = path.read_bytes()
    _, card = load_model(digits_copy.folder, CPU)
    ignored = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 3, 40])):
            place = rng.choice([rng.randrange(len(data)), rng.randrange(400), len(data) - 1 - rng.randrange(400)])
            data[place] = rng.randrange(256)
        path.write_bytes(data)
        kept = read_predictions(digits_copy.folder, card, card.fingerprint)
        ignored += kept is None
        assert kept is None or kept.probabilities.shape == (359, 10)
    assert ignored > 100


def test_kept_predictions_never_run_code(digits_copy: Trained):
    _, card = load_model(digits_copy.folder, CPU)
    with np.load(digits_copy.folder / PREDICTIONS) as kept:
        key = kept["key"]
    np.savez(digits_copy.folder / PREDICTIONS, key=key, probabilities=np.array([{"pickled": 1}], object), labels=np.array([0]))
    assert read_predictions(digits_copy.folder, card, card.fingerprint) is None


def test_evaluating_can_be_watched_and_left(digits_copy: Trained):
    (digits_copy.folder / PREDICTIONS).unlink()
    steps = evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home)
    assert next(steps).stage == "Opening the images"
    steps.close()
    assert not (digits_copy.folder / PREDICTIONS).exists()
