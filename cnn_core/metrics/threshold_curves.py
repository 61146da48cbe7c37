"""Precision-recall and ROC curves of one class against the rest.

In: which images are of the class, and its probability for each image. Out: both curves and the areas under them. Definitions and results as in
scikit-learn, whose metrics take 2.5 s to import; a metric without the images it needs is NaN.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from cnn_core.events import Progress
from cnn_core.metrics.evaluation import Evaluation

MOST_CLASSES = 100  # for which the areas are computed: each class takes a sort of all images


@dataclass(frozen=True, eq=False)
class ThresholdCounts:
    """Descending thresholds (T,) float64, and the number of true and false positives at each, (T,) int64."""

    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def positives(self) -> int:
        """Images of the class."""
        return int(self.true_positives[-1]) if len(self.true_positives) else 0

    @property
    def negatives(self) -> int:
        """Images of other classes."""
        return int(self.false_positives[-1]) if len(self.false_positives) else 0

    @property
    def precision(self) -> np.ndarray:
        """(T,): true positives divided by all predicted positives."""
        return np.asarray(self.true_positives / (self.true_positives + self.false_positives))

    @property
    def recall(self) -> np.ndarray:
        """(T,), also called true positive rate: true positives divided by the images of the class."""
        return _divide(self.true_positives, self.positives)

    @property
    def false_positive_rate(self) -> np.ndarray:
        """(T,): false positives divided by the images of other classes."""
        return _divide(self.false_positives, self.negatives)

    @property
    def average_precision(self) -> float:
        """Mean precision weighted by the increase of recall at each threshold; NaN without images of the class."""
        return float(np.diff(self.recall, prepend=0) @ self.precision) if self.positives else np.nan

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve by the trapezoidal rule; NaN without positives or without negatives."""
        if not self.positives or not self.negatives:
            return np.nan
        x, y = (np.concatenate([[0.0], values]) for values in (self.false_positive_rate, self.recall))
        return float(np.trapezoid(y, x))


def count_at_thresholds(is_class: np.ndarray, probability: np.ndarray) -> ThresholdCounts:
    """Return the counts for is_class (N,) bool and probability (N,) float64; no thresholds if a probability is NaN."""
    if np.isnan(probability).any():
        return ThresholdCounts(*(np.zeros(0, kind) for kind in (np.float64, np.int64, np.int64)))
    order = np.argsort(-probability, kind="stable")
    descending, true_positives = probability[order], np.cumsum(is_class[order])
    last = np.flatnonzero(np.diff(descending, append=-np.inf))  # the last image of each distinct probability
    return ThresholdCounts(descending[last], true_positives[last], 1 + last - true_positives[last])


def class_thresholds(evaluation: Evaluation, label: int) -> ThresholdCounts:
    """Return the counts of class `label` against the rest."""
    return count_at_thresholds(evaluation.labels == label, evaluation.class_probability(label))


@dataclass(frozen=True, eq=False)
class ClassAreas:
    """Average precision and ROC AUC of each class, float64 (classes,), NaN where undefined."""

    average_precision: np.ndarray
    roc_auc: np.ndarray

    def macro(self) -> tuple[float, float]:
        """Return mean average precision and mean AUC over the classes where they are defined; NaN if there are none."""
        return self._means(np.ones(len(self.roc_auc)))

    def weighted(self, support: np.ndarray) -> tuple[float, float]:
        """Return the means weighted by the images of each class, (classes,)."""
        return self._means(support)

    def _means(self, weights: np.ndarray) -> tuple[float, float]:
        return _mean(self.average_precision, weights), _mean(self.roc_auc, weights)


def compute_class_areas(evaluation: Evaluation) -> Generator[Progress, None, ClassAreas]:
    """Compute the areas of each class; meant for up to MOST_CLASSES classes. Yields Progress."""
    count, areas = len(evaluation.classes), []
    for label in range(count):
        yield Progress("Precision-recall and ROC curves", label, count)
        curve = class_thresholds(evaluation, label)
        areas.append((curve.average_precision, curve.roc_auc))
    return ClassAreas(*np.array(areas, np.float64).reshape(count, 2).T)


def select_points(x: np.ndarray, y: np.ndarray, count: int = 400) -> np.ndarray:
    """Return the indices of at most `count` points of a curve, (n,) int64: both ends, and points evenly spaced along it."""
    length = np.cumsum(np.abs(np.diff(x, prepend=x[:1])) + np.abs(np.diff(y, prepend=y[:1])))
    if len(length) <= count:
        return np.arange(len(length))
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], count)).clip(max=len(length) - 1))


def _divide(counts: np.ndarray, total: int) -> np.ndarray:
    return counts / total if total else np.full(len(counts), np.nan)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    is_known = ~np.isnan(values)
    return float(np.average(values[is_known], weights=weights[is_known])) if weights[is_known].any() else np.nan
