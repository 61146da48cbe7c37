"""Metrics against scikit-learn, also where a class is absent."""

import numpy as np
import pytest
from sklearn import metrics as sk

from cnn_core.metrics import scores
from cnn_core.metrics.classification import choose_k, class_metrics, confusion_matrix, top_k_accuracy
from cnn_core.metrics.evaluation import Evaluation


def random_labels(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """True and predicted labels of which, in half of the cases, some classes never occur."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 12))
    count = int(rng.integers(1, 300))
    true_among, predicted_among = (
        rng.choice(classes, int(rng.integers(1, classes + 1)), replace=False) if seed % 2 else np.arange(classes)
        for _ in range(2)
    )
    return rng.choice(true_among, count), rng.choice(predicted_among, count), classes


@pytest.mark.parametrize("seed", range(30))
def test_the_confusion_matrix_equals_scikit_learns(seed: int):
    labels, predicted, classes = random_labels(seed)
    mine = confusion_matrix(labels, predicted, classes)
    assert mine.dtype == np.int64
    assert np.array_equal(mine, sk.confusion_matrix(labels, predicted, labels=np.arange(classes)))


@pytest.mark.parametrize("seed", range(30))
def test_precision_recall_f1_and_support_equal_scikit_learns(seed: int):
    labels, predicted, classes = random_labels(seed)
    mine = class_metrics(confusion_matrix(labels, predicted, classes))
    theirs = sk.precision_recall_fscore_support(labels, predicted, labels=np.arange(classes), zero_division=0)
    for one, other in zip((mine.precision, mine.recall, mine.f1), theirs[:3], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    assert mine.support.tolist() == theirs[3].tolist()


def test_absent_classes_have_zeros_and_nothing_is_divided_by_zero():
    with np.errstate(all="raise"):
        mine = class_metrics(confusion_matrix(np.array([0, 0]), np.array([1, 1]), 3))
    assert mine.precision.tolist() == mine.recall.tolist() == mine.f1.tolist() == [0, 0, 0]
    assert mine.support.tolist() == [2, 0, 0]


def test_rows_are_true_and_columns_predicted_classes():
    assert confusion_matrix(np.array([0, 1, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize("seed", range(30))
def test_macro_and_weighted_means_equal_scikit_learns(seed: int):
    labels, predicted, classes = random_labels(seed)
    mine = class_metrics(confusion_matrix(labels, predicted, classes))
    for average, means in (("macro", mine.macro), ("weighted", mine.weighted)):
        theirs = sk.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        np.testing.assert_allclose(means, theirs[:3], rtol=0, atol=1e-12)


def test_means_over_no_image_are_no_number():
    nothing = class_metrics(np.zeros((3, 3), np.int64))
    assert np.isnan(nothing.macro).all() and np.isnan(nothing.weighted).all()


def evaluation_with(logits: np.ndarray, labels: np.ndarray) -> Evaluation:
    return Evaluation(tuple(map(str, range(logits.shape[1]))), logits.astype(np.float32), labels)


@pytest.mark.parametrize("has_ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_top_k_accuracy_equals_scikit_learns(seed: int, has_ties: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scores, "BLOCK", 300)
    rng = np.random.default_rng(seed)
    classes, count = int(rng.integers(3, 30)), int(rng.integers(1, 200))
    logits = rng.integers(0, 4, (count, classes)) if has_ties else rng.standard_normal((count, classes))
    labels = rng.integers(0, classes, count)
    evaluation = evaluation_with(logits, labels)
    # Of equal scores scikit-learn takes the last class, we, like argmax, the first: the classes in reverse make them one.
    reverse = {"labels": range(classes), "y_score": evaluation.logits[:, ::-1]}
    for k in range(1, classes):
        theirs = sk.top_k_accuracy_score(classes - 1 - labels, k=k, **reverse)
        assert top_k_accuracy(evaluation.scores.rank, k) == pytest.approx(theirs, abs=1e-12)
    assert top_k_accuracy(evaluation.scores.rank, 1) == evaluation.accuracy


def test_a_network_that_diverged_has_no_class_among_its_most_probable():
    evaluation = evaluation_with(np.full((4, 3), np.nan), np.array([0, 1, 2, 0]))
    assert top_k_accuracy(evaluation.scores.rank, 3) == 0


def test_a_top_k_accuracy_is_given_where_it_leaves_classes_out():
    assert [choose_k(classes) for classes in (2, 4, 5, 10, 19, 20, 1000)] == [None, None, 3, 3, 3, 5, 5]
    assert np.isnan(top_k_accuracy(np.zeros(0, np.int64), 3))


def test_what_no_image_measures_is_absent():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 2, 0])  # no image of 2 and 3, nothing predicted as 1 and 3
    precision, recall, f1 = class_metrics(confusion_matrix(labels, predicted, 4)).measured
    np.testing.assert_array_equal(precision, [0.5, 0, 0, np.nan])
    np.testing.assert_array_equal(recall, [0.5, 0, np.nan, np.nan])
    np.testing.assert_array_equal(f1, [0.5, 0, np.nan, np.nan])
