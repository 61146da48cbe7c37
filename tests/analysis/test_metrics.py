"""Metrics against scikit-learn, also where a class is absent."""

import numpy as np
import pytest
from sklearn import metrics as sk

from cnn_core.analysis.metrics import class_metrics, confusion_matrix


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
