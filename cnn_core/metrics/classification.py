"""Classification metrics from labels, after the usual definitions (scikit-learn is the oracle in the tests)."""

from dataclasses import dataclass

import numpy as np


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes) int64: row = true class, column = predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class ClassMetrics:
    """Per class, float64 (classes,) in 0..1: precision (right among those predicted), recall (found among those there), F1.

    Counts, int64 (classes,): `support`, the images of the class, and `predicted`, the images that were called so.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    predicted: np.ndarray

    @property
    def macro(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 over the classes that occur, as true or as predicted ones: every class counts the same."""
        return self._means(((self.support + self.predicted) > 0).astype(np.float64))

    @property
    def weighted(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 weighted by support: every image counts the same."""
        return self._means(self.support)

    def _means(self, weights: np.ndarray) -> tuple[float, float, float]:
        columns = (self.precision, self.recall, self.f1)
        return tuple(float(np.average(column, weights=weights)) if weights.any() else np.nan for column in columns)


def class_metrics(confusion: np.ndarray) -> ClassMetrics:
    """Precision, recall and F1 of every class of a confusion matrix; 0 where a share has nothing to divide by."""
    right = confusion.diagonal().astype(np.float64)
    predicted, true = confusion.sum(0), confusion.sum(1)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(true, 1)
    return ClassMetrics(precision, recall, 2 * right / np.maximum(predicted + true, 1), true, predicted)


def top_k_accuracy(rank: np.ndarray, k: int) -> float:
    """Share of the images whose true class is among the `k` most probable. rank (N,): of `Scores`. Without images NaN."""
    return float((rank < k).mean()) if len(rank) else np.nan


def choose_k(classes: int) -> int | None:
    """The k of a top-k accuracy that says something for so many classes: 5, 3 for fewer than 20, none for fewer than 5."""
    return None if classes < 5 else 3 if classes < 20 else 5
