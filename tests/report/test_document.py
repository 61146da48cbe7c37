"""The report: its figures are the evaluation's, what comes from outside stays text, and the file asks for nothing."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.data.source import ImageSet
from cnn_core.events import Changed
from cnn_core.inference.confidence import Calibration
from cnn_core.metrics.calibration import reliability_of
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.models.registry import find_family
from cnn_core.report.document import (
    ACCURACY,
    ARCHITECTURE,
    BRANCH_OF,
    DATA_VERSION,
    EPOCH,
    EPOCHS_CAPTION,
    IMAGES,
    LOSS,
    MODEL,
    NO_EPOCHS,
    SPLIT_HINTS,
    TOP_K,
)
from cnn_core.report.results import (
    CALIBRATED_ERROR,
    CALIBRATION_ERROR,
    CLASSES_CAPTION,
    CONFUSION_CAPTION,
    PAIRS_CAPTION,
    TEMPERATURE,
)
from cnn_core.report.settings import CHANGED
from tests.helpers import tells
from tests.report.reading import epochs_of, evaluation_of, facts_of, images_of, percent, report

HOSTILE = '<script>alert(1)</script><img src="https://192.0.2.1/x"> "\'&amp; $body'


def test_the_figures_are_the_evaluations_own():
    evaluation = evaluation_of()
    labels, predicted = evaluation.labels, evaluation.logits.argmax(1)
    odds = np.exp(evaluation.logits.astype(np.float64))
    shares = odds / odds.sum(1, keepdims=True)
    _, read = report(evaluation)
    assert read.figures[ACCURACY.format(split="Test")].startswith(percent(accuracy_score(labels, predicted), 2))
    assert read.figures[TOP_K.format(k=3)] == percent(top_k_accuracy_score(labels, shares, k=3), 2)
    assert read.figures[LOSS.format(split="Test")].startswith(f"{log_loss(labels, shares, labels=range(5)):.4f}")
    assert read.figures[IMAGES.format(split="Test")] == "200"
    assert read.figures[MODEL].startswith(EPOCH.format(epoch=3)) and "87.50%" in read.figures[MODEL]
    assert tells(read.figures[ARCHITECTURE], find_family("simple").title, "505,578")


def test_the_interval_is_wilsons():
    evaluation = evaluation_of()
    share, n, z = (evaluation.logits.argmax(1) == evaluation.labels).mean(), 200, 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    _, read = report(evaluation)
    assert read.figures[ACCURACY.format(split="Test")].endswith(f"95%: {percent(centre - half)} to {percent(centre + half)}")


def test_every_class_and_every_cell_is_shown():
    evaluation = evaluation_of()
    labels, predicted = evaluation.labels, evaluation.logits.argmax(1)
    _, read = report(evaluation)
    figures = zip(*precision_recall_fscore_support(labels, predicted), strict=True)
    expected = [[f"class{label}", *map(percent, shares), str(support)] for label, (*shares, support) in enumerate(figures)]
    macro = precision_recall_fscore_support(labels, predicted, average="macro")[:3]
    weighted = precision_recall_fscore_support(labels, predicted, average="weighted")[:3]
    *rows, of_classes, of_images = read.table(CLASSES_CAPTION)
    assert rows == expected
    assert of_classes[1:4] == list(map(percent, macro)) and of_images[1:4] == list(map(percent, weighted))
    matrix = read.table(CONFUSION_CAPTION)
    assert [row[0] for row in matrix] == list(evaluation.classes)
    assert np.array([row[1:] for row in matrix], int).tolist() == confusion_matrix(labels, predicted).tolist()
    wrong = confusion_matrix(labels, predicted) * (1 - np.eye(5, dtype=int))
    assert [int(row[2]) for row in read.table(PAIRS_CAPTION)] == sorted(wrong.ravel()[wrong.ravel() > 0])[::-1][:10]


def test_of_many_classes_the_most_confused_ones_are_shown_and_no_image_is_lost():
    evaluation = evaluation_of(classes=40, count=400)
    _, read = report(evaluation)
    matrix = read.table(CONFUSION_CAPTION)
    counts = np.array([row[1:] for row in matrix], int)
    assert counts.shape == (16, 16) and counts.sum() == 400 and matrix[-1][0] == "25 others"
    assert len(read.table(CLASSES_CAPTION)) == 40 + 2


def test_a_class_without_images_has_no_figures():
    labels, logits = np.array([0, 0, 1]), np.eye(3, dtype=np.float32)[[0, 1, 1]]
    _, read = report(Evaluation(("a", "b", "c"), logits, labels))
    assert read.table(CLASSES_CAPTION)[2] == ["c", "–", "–", "–", "0"]


def test_the_worst_mistakes_are_the_very_images_in_the_order_of_their_loss():
    evaluation = evaluation_of()
    images, predicted = images_of(evaluation), evaluation.logits.argmax(1)
    odds = np.exp(evaluation.logits.astype(np.float64))
    shares = odds / odds.sum(1, keepdims=True)
    wrong = np.flatnonzero(predicted != evaluation.labels)
    worst = wrong[np.argsort(shares[wrong, evaluation.labels[wrong]], kind="stable")][:24]
    _, read = report(evaluation, images=images)
    assert len(read.images) == len(worst) == 24
    for (address, alt), caption, index in zip(read.images, read.captions, worst, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))) as image:
            assert np.array_equal(np.asarray(image), images.images[index])
        true = evaluation.labels[index]
        assert alt == f"Test image {index}: predicted class{predicted[index]}, true class class{true}"
        assert caption.startswith(f"class{predicted[index]} {percent(shares[index].max())}")
        assert f"class{true} {percent(shares[index, true])}Test image" in caption
        assert caption.endswith(f"Test image {index}: cats/{index}.png")


def test_without_a_mistake_it_says_so():
    evaluation = Evaluation(("a", "b"), np.eye(2, dtype=np.float32)[[0, 1]] * 9, np.array([0, 1]))
    _, read = report(evaluation)
    assert not read.images and not read.captions


def test_whatever_comes_from_outside_stays_text():
    evaluation = evaluation_of(names=[f"{HOSTILE}{label}" for label in range(5)])
    run = facts_of(name=HOSTILE, notes=f"{HOSTILE}\nsecond line\x00", tags=(HOSTILE,), config=make_config(data=f"/x/{HOSTILE}"))
    text, read = report(evaluation, run, names=lambda indices: [f"{HOSTILE}\udcff.png"] * len(indices))
    _, harmless = report(evaluation_of(), facts_of(name="a", notes="b", tags=("c",), config=make_config(data="/x/y")))
    assert read.tags == harmless.tags and "script" not in read.tags
    assert read.text.count(HOSTILE) > 30 and "\x00" not in text
    assert not [value for name, value in read.attributes if name in ("src", "href") and not value.startswith("data:")]
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_the_file_asks_for_nothing_and_forbids_it():
    text, read = report()
    (policy,) = (value for _, value in read.attributes if "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;") and "script-src" not in policy
    assert not re.search(r"https?:|url\(|@import|//", re.sub(r"base64,[^\"]*", "", text))
    assert not {"script", "iframe", "object", "embed", "form", "audio", "video"} & set(read.tags)


def test_it_stays_below_two_megabytes_with_a_thousand_classes_and_large_images():
    evaluation = evaluation_of(classes=1000, count=2000)
    pool = np.random.default_rng(1).integers(0, 256, (24, 224, 224, 3), dtype=np.uint8)
    images = ImageSet(pool, evaluation.labels, rows=np.arange(2000) % 24)
    text, read = report(evaluation, facts_of(epochs=1000), images=images)
    assert len(text.encode()) < 2_000_000
    assert len(read.images) == 24 and read.images[0][0].startswith("data:image/jpeg")
    address = read.images[0][0].partition("base64,")[2]
    with Image.open(io.BytesIO(base64.b64decode(address))) as image:
        assert image.size == (160, 160)


def test_the_curves_are_drawn_and_written_out():
    _, read = report(run=facts_of(epochs=4))
    assert read.tags.count("svg") == 2 and read.tags.count("title") == 3 and read.tags.count("desc") == 2
    assert read.table(EPOCHS_CAPTION) == [
        [str(e.epoch), f"{e.train_loss:.4f}", f"{e.val_loss:.4f}", percent(e.train_accuracy, 2), percent(e.val_accuracy, 2)]
        for e in epochs_of(4)
    ]
    lines = [value for name, value in read.attributes if name == "points"]
    heights = [float(place.split(",")[1]) for place in lines[0].split()]
    assert len(lines) == 4 and heights == sorted(heights), "a loss that falls is a line that falls"


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_run_of_one_epoch_or_of_none_on_record_can_be_reported(epochs: int):
    _, read = report(run=facts_of(epochs=epochs, summary={}))
    assert (NO_EPOCHS in read.text) == (epochs == 0)


def test_a_network_that_diverged_is_reported_without_its_numbers():
    broken = dataclasses.replace(epochs_of(3)[1], train_loss=float("nan"), val_loss=float("inf"))
    evaluation = Evaluation(("a", "b"), np.full((4, 2), np.nan, np.float32), np.array([0, 1, 0, 1]))
    run = dataclasses.replace(facts_of(), epochs=[epochs_of(1)[0], broken, epochs_of(3)[2]])
    _, read = report(evaluation, run)
    assert read.figures[LOSS.format(split="Test")].startswith("–")
    lines = [value for name, value in read.attributes if name == "points"]
    assert [len(line.split()) for line in lines] == [1, 1, 1, 1, 3, 3]


def test_another_part_and_epoch_are_named():
    _, read = report(split="train", epoch=2)
    assert read.figures[MODEL].startswith(EPOCH.format(epoch=2)) and ACCURACY.format(split="Training") in read.figures
    assert SPLIT_HINTS["train"] in read.text


@pytest.mark.parametrize(("count", "is_shown"), [(0, False), (4, False), (5, True)])
def test_the_use_of_test_images_for_many_models_is_shown(count: int, is_shown: bool):
    _, read = report(models_evaluated=count)
    assert (f"{count} models" in read.text) == is_shown


def test_the_saved_temperature_is_shown_with_its_improvement():
    evaluation = evaluation_of()
    error = [reliability_of(evaluation.with_temperature(t)).expected_error for t in (1.0, 2.5)]
    _, read = report(evaluation, calibration=Calibration(temperature=2.5, images=321, threshold=0.4))
    assert read.figures[CALIBRATION_ERROR].startswith(percent(error[0]))
    assert read.figures[CALIBRATED_ERROR] == percent(error[1]) and error[0] != error[1]
    assert tells(read.figures[TEMPERATURE], "2.50", "321")
    assert TEMPERATURE not in report(evaluation)[1].figures


def test_data_that_was_corrected_since_training_is_named():
    assert report(run=facts_of(trained_on="old"))[1].figures[DATA_VERSION].endswith("old")
    assert report()[1].figures[DATA_VERSION] == "abc"


def test_the_parent_run_and_changes_during_training_are_shown():
    run = facts_of(parent="0003-digits", parent_epoch=4, changes=(Changed(120, {"learning_rate": 0.0005}),))
    _, read = report(run=run)
    assert tells(read.figures[BRANCH_OF], "0003-digits", "4")
    assert CHANGED.format(step=120, values=f"{title('learning_rate')} 0.0005") in read.text
