"""The table of predictions, read back by csv: it says what the evaluation says, of every image, and no cell is a formula."""

import csv
import io
import time

import numpy as np
import pytest

from cnn_core.data.source import finish
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.prediction_table import BLOCK, write_predictions
from tests.helpers import drain


def evaluation_of(classes: int, count: int, names=None) -> Evaluation:
    rng = np.random.default_rng(classes)
    logits = (3 * rng.standard_normal((count, classes))).astype(np.float32)
    return Evaluation(tuple(names or (f"c{label}" for label in range(classes))), logits, rng.integers(0, classes, count))


def softmax(evaluation: Evaluation) -> np.ndarray:
    odds = np.exp(evaluation.logits.astype(np.float64))
    return odds / odds.sum(1, keepdims=True)


def named(indices: np.ndarray) -> list[str]:
    return [f"cats/{index}.png" for index in indices]


def written(evaluation: Evaluation, names=named) -> list[dict[str, str]]:
    file = io.BytesIO()
    finish(write_predictions(evaluation, names, file))
    return list(csv.DictReader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("classes", [2, 20])
def test_a_row_says_of_its_image_what_the_network_says(classes: int):
    evaluation = evaluation_of(classes, BLOCK + 7)
    shares, predicted = softmax(evaluation), evaluation.logits.argmax(1)
    rows = written(evaluation)
    assert [int(row["index"]) for row in rows] == list(range(BLOCK + 7))
    assert [row["image"] for row in rows] == named(np.arange(BLOCK + 7))
    assert [row["true"] for row in rows] == [f"c{label}" for label in evaluation.labels]
    assert [row["predicted"] for row in rows] == [f"c{label}" for label in predicted]
    assert [row["is_right"] for row in rows] == [str(bool(right)) for right in predicted == evaluation.labels]
    truth = shares[np.arange(len(rows)), evaluation.labels]
    for column, expected in (
        ("loss", -np.log(truth)),
        ("probability_of_predicted", shares.max(1)),
        ("probability_of_true", truth),
        *((f"probability of c{label}", shares[:, label]) for label in range(classes)),
    ):
        assert np.array([float(row[column]) for row in rows]) == pytest.approx(expected, rel=1e-5), column


def test_of_many_classes_the_five_most_probable_ones_are_named():
    evaluation = evaluation_of(21, 50)
    shares = softmax(evaluation)
    best = np.argsort(-shares, 1)[:, :5]
    rows = written(evaluation)
    assert len(rows[0]) == 8 + 10
    for index, row in enumerate(rows):
        assert [row[f"class_{place}"] for place in range(1, 6)] == [f"c{label}" for label in best[index]]
        assert [float(row[f"probability_{place}"]) for place in range(1, 6)] == pytest.approx(
            shares[index, best[index]], rel=1e-5
        )


def test_no_name_of_a_class_or_a_file_becomes_a_formula_in_a_spreadsheet():
    evaluation = evaluation_of(2, 9, names=["=1+1", "@SUM(A1)"])
    for row in written(evaluation, lambda indices: ['=HYPERLINK("http://192.0.2.1")'] * len(indices)):
        assert row["image"] == '\'=HYPERLINK("http://192.0.2.1")'
        assert row["true"] in ("'=1+1", "'@SUM(A1)") and row["predicted"].startswith("'")
        assert set(row) >= {"probability of =1+1"}


def test_what_is_no_number_is_left_empty():
    row = written(Evaluation(("a", "b"), np.full((1, 2), np.nan, np.float32), np.array([0])))[0]
    assert row["loss"] == row["probability_of_true"] == row["probability of b"] == ""


def test_ten_thousand_rows_take_less_than_a_second_and_are_reported_on_the_way():
    evaluation = evaluation_of(10, 10_000)
    assert evaluation.scores.loss.shape == (10_000,)
    begun = time.process_time()
    seen, _ = drain(write_predictions(evaluation, named, io.BytesIO()))
    assert time.process_time() - begun < 1
    assert [(step.done, step.total) for step in seen] == [(start, 10_000) for start in range(0, 10_000, BLOCK)]
