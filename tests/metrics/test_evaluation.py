"""A run on images of one part: the figures, and when a kept evaluation is used, renewed, or left alone."""

import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from cnn_core.config.defaults import make_config
from cnn_core.data.imported import OPENING
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.data.splits import stratified_split
from cnn_core.errors import DataError, NoModelError, RunError
from cnn_core.events import Epoch
from cnn_core.home import EVALUATIONS
from cnn_core.metrics import scores
from cnn_core.metrics.evaluation import OTHER_CLASSES, Evaluation, evaluate_run, evaluation_key, load_split, read_evaluation
from cnn_core.models.saving import load_model, save_weights
from tests.conftest import Trained
from tests.helpers import is_a_sentence, tiny_config

CPU = torch.device("cpu")


def evaluate(trained: Trained) -> Evaluation:
    return finish(evaluate_run(trained.id, trained.run.config, trained.home))


def random_evaluation(seed: int, count: int = 200, classes: int = 5) -> Evaluation:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.5), count).astype(np.float32) * 0.999 + np.float32(0.001 / classes)
    return Evaluation(tuple("abcde"[:classes]), np.log(probabilities), rng.integers(0, classes, count))


def logits_file(trained: Trained) -> Path:
    """The one kept evaluation of the best network on the test images."""
    (path,) = (path for path in (trained.folder / EVALUATIONS).glob("best-test-*.npy") if not path.name.endswith(".labels.npy"))
    return path


def forget(trained: Trained) -> None:
    shutil.rmtree(trained.folder / EVALUATIONS)


def key_of(trained: Trained) -> str:
    return evaluation_key(trained.folder, trained.run.config, load_model(trained.folder, CPU)[1].fingerprint, "test", None)


@pytest.mark.parametrize("seed", range(10))
def test_accuracy_loss_and_confusion_equal_scikit_learns(seed: int):
    evaluation = random_evaluation(seed)
    predicted = evaluation.logits.argmax(1)
    assert evaluation.accuracy == pytest.approx(accuracy_score(evaluation.labels, predicted), abs=1e-12)
    doubles = scipy.special.softmax(evaluation.logits.astype(np.float64), 1)
    np.testing.assert_allclose(evaluation.probabilities(), doubles, rtol=0, atol=1e-12)
    assert evaluation.loss == pytest.approx(log_loss(evaluation.labels, doubles, labels=range(5)), abs=1e-9)
    assert np.array_equal(evaluation.confusion, confusion_matrix(evaluation.labels, predicted, labels=range(5)))
    assert evaluation.per_class.support.sum() == len(evaluation.labels)


def test_a_loss_stays_finite_where_the_truth_was_held_impossible():
    sure = Evaluation(("a", "b"), np.array([[1000, 0]], np.float32), np.array([1]))
    assert sure.loss == 1000 and sure.accuracy == 0 and sure.scores.true_probability.tolist() == [0.0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_scores_of_every_image_are_those_of_its_probabilities(temperature: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scores, "BLOCK", 64)  # several blocks
    evaluation = random_evaluation(3).with_temperature(temperature)
    shares = scipy.special.softmax(evaluation.logits.astype(np.float64) / temperature, 1)
    ranked, own = np.sort(shares, 1), shares[np.arange(200), evaluation.labels]
    found = evaluation.scores
    assert np.array_equal(found.predicted, shares.argmax(1))
    assert np.array_equal(found.rank, (shares > own[:, None]).sum(1))
    for column, expected in (
        (found.confidence, ranked[:, -1]),
        (found.second_confidence, ranked[:, -2]),
        (found.true_probability, own),
        (found.loss, -np.log(own)),
        (evaluation.class_probability(2), shares[:, 2]),
    ):
        np.testing.assert_allclose(column, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(evaluation.probabilities(np.array([3, 9])), shares[[3, 9]], rtol=0, atol=1e-12)


@pytest.mark.parametrize("true_class", [None, 0, 3])
@pytest.mark.parametrize("is_correct", [None, True, False])
def test_images_are_selected_by_true_class_and_by_right_or_wrong(true_class: int | None, is_correct: bool | None):
    evaluation = random_evaluation(1)
    expected = [
        index
        for index, (row, label) in enumerate(zip(evaluation.logits, evaluation.labels, strict=True))
        if true_class in (None, label) and is_correct in (None, bool(row.argmax() == label))
    ]
    assert expected
    assert evaluation.select(true_class=true_class, is_correct=is_correct).tolist() == expected


@pytest.mark.parametrize("confidence", [(0.0, 1.0), (0.4, 1.0), (0.0, 0.7), (0.5, 0.6)])
@pytest.mark.parametrize("predicted", [None, 2])
def test_images_are_selected_by_prediction_and_probability(predicted: int | None, confidence: tuple[float, float]):
    evaluation = random_evaluation(1).with_temperature(1.7)
    shares = scipy.special.softmax(evaluation.logits.astype(np.float64) / 1.7, 1)
    expected = [
        index
        for index, row in enumerate(shares)
        if predicted in (None, row.argmax()) and confidence[0] <= row.max() <= confidence[1]
    ]
    assert expected
    assert evaluation.select(predicted=predicted, confidence=confidence).tolist() == expected


def test_a_runs_evaluation_equals_its_model_applied_to_its_test_images(digits_copy: Trained):
    forget(digits_copy)
    evaluation = evaluate(digits_copy)
    model, card = load_model(digits_copy.folder, CPU)
    test = finish(open_source("digits", digits_copy.home).load("test"))
    scaled = (torch.from_numpy(test.images).permute(0, 3, 1, 2).float() / 255 - card.mean[0]) / card.std[0]
    with torch.no_grad():
        expected = model(scaled).softmax(1).numpy()
    np.testing.assert_allclose(evaluation.probabilities(), expected, atol=1e-5)
    assert np.array_equal(evaluation.labels, test.labels)
    assert evaluation.accuracy == pytest.approx(digits_copy.run.summary["test_accuracy"])
    assert evaluation.loss == pytest.approx(digits_copy.run.summary["test_loss"], rel=1e-5)
    assert logits_file(digits_copy).is_file()


def mark(trained: Trained) -> None:
    """Change the kept evaluation without changing whose it is, so that its use can be told."""
    path = logits_file(trained)
    np.save(path, np.roll(np.load(path), 1, axis=1))


def test_a_saved_evaluation_is_used_again(digits_copy: Trained):
    before = np.array(evaluate(digits_copy).logits)
    mark(digits_copy)
    assert np.array_equal(evaluate(digits_copy).logits, np.roll(before, 1, axis=1))


def test_other_weights_are_evaluated_and_saved(digits_copy: Trained):
    before = evaluate(digits_copy)
    mark(digits_copy)
    model, card = load_model(digits_copy.folder, CPU)
    with torch.no_grad():
        list(model.parameters())[-1][3] += 50  # everything is a three now
    save_weights(digits_copy.folder, model)
    after = evaluate(digits_copy)
    assert (after.predicted == 3).all() and np.array_equal(after.labels, before.labels)
    mark(digits_copy)
    assert (evaluate(digits_copy).predicted == 4).all()


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_saved_epoch_is_evaluated_as_training_validated_it(digits_copy: Trained, epoch: int):
    epochs = [stored.event for stored in digits_copy.store.log.read(digits_copy.id, kinds=[Epoch])]
    steps = evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home, split="val", epoch=epoch)
    evaluation = finish(steps)
    assert evaluation.accuracy == pytest.approx(epochs[epoch - 1].val_accuracy, abs=1e-6)
    assert evaluation.loss == pytest.approx(epochs[epoch - 1].val_loss, rel=1e-5)


def test_training_and_validation_images_are_those_that_the_run_split(digits_copy: Trained):
    config, source = digits_copy.run.config, open_source("digits", digits_copy.home)
    whole = finish(source.load("train"))
    rest, validation = stratified_split(whole.labels, config.validation_share, config.seed)
    for split, rows in (("train", rest), ("val", validation)):
        evaluation = finish(evaluate_run(digits_copy.id, config, digits_copy.home, split=split))
        assert np.array_equal(evaluation.labels, whole.labels[rows])
        assert np.array_equal(finish(load_split(source, config, split)).images, whole.images[rows])
    assert len(list((digits_copy.folder / EVALUATIONS).glob("*.labels.npy"))) == 3


def test_an_epoch_that_was_not_saved_is_refused_with_a_message(digits_copy: Trained):
    with pytest.raises(RunError, match="99") as refusal:
        finish(evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home, epoch=99))
    assert is_a_sentence(refusal.value)


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


def test_a_saved_evaluation_is_used_again_where_files_only_seem_to_have_changed(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    config = tiny_config(data)
    before = np.array(finish(evaluate_run(colours_copy.id, config, colours_copy.home)).logits)
    finish(evaluate_run(colours_copy.id, config, colours_copy.home))  # saved for the data set as imported
    mark(colours_copy)
    for path in data.rglob("*.*"):
        path.touch()
    after = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    assert np.array_equal(after.logits, np.roll(before, 1, axis=1))


def test_an_image_that_was_edited_in_its_place_is_evaluated_anew(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    config = tiny_config(data)
    before = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    for path in (data / "red").iterdir():  # red images turn blue
        path.write_bytes((data / "blue" / path.name).read_bytes() + b"\0")
    after = finish(evaluate_run(colours_copy.id, config, colours_copy.home))
    assert before.confusion[2, 2] > 2 and after.confusion[2, 2] == 0


def test_data_with_other_classes_is_refused_with_a_message(colours_copy: Trained, tmp_path: Path):
    data = tmp_path / "pictures"
    shutil.copytree(colours_copy.run.config.data, data)
    (data / "red").rename(data / "scarlet")
    with pytest.raises(RunError, match=re.escape(OTHER_CLASSES.format(data=data.name, run=colours_copy.id))) as refusal:
        finish(evaluate_run(colours_copy.id, tiny_config(data), colours_copy.home))
    assert is_a_sentence(refusal.value)


def test_data_that_is_gone_and_a_run_without_a_model_are_refused_with_a_message(colours_copy: Trained, tmp_path: Path):
    with pytest.raises(DataError, match="nowhere") as refusal:
        finish(evaluate_run(colours_copy.id, tiny_config(tmp_path / "nowhere"), colours_copy.home))
    assert is_a_sentence(refusal.value)
    run = colours_copy.store.create(make_config())
    with pytest.raises(NoModelError, match=run):
        finish(evaluate_run(run, make_config(), colours_copy.home))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no array", None], ids=["empty", "a beginning", "text", "half"])
@pytest.mark.parametrize("suffix", [".npy", ".labels.npy"])
def test_a_damaged_kept_evaluation_is_computed_anew(digits_copy: Trained, content: bytes | None, suffix: str):
    before = np.array(evaluate(digits_copy).logits)
    path = logits_file(digits_copy).with_suffix(suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    after = evaluate(digits_copy)
    np.testing.assert_allclose(after.logits, before, atol=1e-4)
    assert path.stat().st_size == len(whole)


def test_a_saved_evaluation_with_any_damage_is_ignored_or_read_and_nothing_else(digits_copy: Trained):
    rng, key = random.Random(0), key_of(digits_copy)
    ignored = 0
    for path in (logits_file(digits_copy), logits_file(digits_copy).with_suffix(".labels.npy")):
        whole = path.read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(rng.choice([1, 3, 40])):
                data[rng.choice([rng.randrange(len(data)), rng.randrange(128)])] = rng.randrange(256)
            path.write_bytes(data)
            saved = read_evaluation(digits_copy.folder, key)
            ignored += saved is None
            assert saved is None or (saved.logits.shape == (359, 10) and saved.labels.shape == (359,))
        path.write_bytes(whole)
    assert ignored > 100 and read_evaluation(digits_copy.folder, key)


def test_a_saved_evaluation_never_runs_code(digits_copy: Trained):
    np.save(logits_file(digits_copy), np.array([{"pickled": 1}], object))
    assert read_evaluation(digits_copy.folder, key_of(digits_copy)) is None


def test_evaluating_can_be_watched_and_left(digits_copy: Trained):
    forget(digits_copy)
    steps = evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home)
    assert next(steps).stage == OPENING
    steps.close()
    assert not (digits_copy.folder / EVALUATIONS).exists()


def test_an_evaluation_that_cannot_be_written_is_returned_and_not_saved(colours_copy: Trained):
    folder, run = colours_copy.folder, colours_copy.run
    saved = finish(evaluate_run(run.id, run.config, colours_copy.home))
    shutil.rmtree(folder / EVALUATIONS)
    (folder / EVALUATIONS).write_bytes(b"")  # no folder can be made there, whoever asks
    again = finish(evaluate_run(run.id, run.config, colours_copy.home))
    np.testing.assert_array_equal(again.logits, saved.logits)
    assert (folder / EVALUATIONS).is_file()
