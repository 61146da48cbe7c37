"""Classification metrics from labels: confusion matrix, precision, recall, F1, top-k accuracy.

Computed with NumPy, because importing scikit-learn's metrics takes 2.5 s; the tests compare every result with scikit-learn's.
"""

from dataclasses import dataclass

import numpy as np


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts (classes, classes) int64: row = true class, column = predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of each class, float64 (classes,) in 0..1.

    Counts, int64 (classes,): `support`, images of the class, and `predicted`, images predicted as the class.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    predicted: np.ndarray

    @property
    def measured(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 with NaN where no image measures them: recall and F1 of a class without images, and the precision of
        such a class where nothing was predicted as it."""
        has_images, occurs = self.support > 0, (self.support + self.predicted) > 0
        return (
            np.where(occurs, self.precision, np.nan),
            np.where(has_images, self.recall, np.nan),
            np.where(has_images, self.f1, np.nan),
        )

    @property
    def macro(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 over the classes that occur, true or predicted: every class has the same weight."""
        return self._means(((self.support + self.predicted) > 0).astype(np.float64))

    @property
    def weighted(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 weighted by support: every image has the same weight."""
        return self._means(self.support)

    def _means(self, weights: np.ndarray) -> tuple[float, float, float]:
        precision, recall, f1 = (
            float(np.average(column, weights=weights)) if weights.any() else np.nan
            for column in (self.precision, self.recall, self.f1)
        )
        return precision, recall, f1


def class_metrics(confusion: np.ndarray) -> ClassMetrics:
    """Return precision, recall and F1 of each class of a confusion matrix; 0 where the denominator is 0."""
    correct = confusion.diagonal().astype(np.float64)
    predicted, true = confusion.sum(0), confusion.sum(1)
    precision, recall = correct / np.maximum(predicted, 1), correct / np.maximum(true, 1)
    return ClassMetrics(precision, recall, 2 * correct / np.maximum(predicted + true, 1), true, predicted)


def top_k_accuracy(rank: np.ndarray, k: int) -> float:
    """Return the fraction of images whose true class is among the `k` most probable. rank (N,): of `Scores`. NaN without images."""
    return float((rank < k).mean()) if len(rank) else np.nan


def choose_k(classes: int) -> int | None:
    """Return a k for top-k accuracy that suits the number of classes: 5, 3 below 20 classes, None below 5."""
    return None if classes < 5 else 3 if classes < 20 else 5
