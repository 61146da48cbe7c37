"""One class against the rest: what a threshold on its probability finds and what it gets wrong, at every threshold there is.

In: which images are of the class, and its probability for every image. Out: precision-recall and ROC curves with the area below them.
Definitions as in scikit-learn; without images of the class, or without others, a figure that needs them is NaN.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from cnn_core.events import Progress
from cnn_core.metrics.evaluation import Evaluation

MOST_CLASSES = 100  # for which every class's areas are computed: each takes a sort of all images


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Falling thresholds (T,) float64, and how many images of the class (`hits`) and of others (`alarms`), (T,) int64, reach each."""

    thresholds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray

    @property
    def positives(self) -> int:
        """Images of the class."""
        return int(self.hits[-1]) if len(self.hits) else 0

    @property
    def negatives(self) -> int:
        return int(self.alarms[-1]) if len(self.alarms) else 0

    @property
    def precision(self) -> np.ndarray:
        """(T,): the share of the class among the images that reach a threshold."""
        return self.hits / (self.hits + self.alarms)

    @property
    def recall(self) -> np.ndarray:
        """(T,), also called true positive rate: the share of the class's images that reach a threshold."""
        return _share(self.hits, self.positives)

    @property
    def false_positive_rate(self) -> np.ndarray:
        """(T,): the share of the other images that reach a threshold."""
        return _share(self.alarms, self.negatives)

    @property
    def average_precision(self) -> float:
        """Mean precision weighted by the recall that each threshold adds; NaN without images of the class."""
        return float(np.diff(self.recall, prepend=0) @ self.precision) if self.positives else np.nan

    @property
    def roc_auc(self) -> float:
        """The chance that an image of the class gets a higher probability than one of another (trapezoids); NaN where one kind is missing."""
        if not self.positives or not self.negatives:
            return np.nan
        across, up = (np.concatenate([[0.0], values]) for values in (self.false_positive_rate, self.recall))
        return float(np.trapezoid(up, across))


def thresholds(is_class: np.ndarray, probability: np.ndarray) -> Thresholds:
    """is_class (N,) bool, probability (N,) float64: equal probabilities reach a threshold together. A network that diverged has none."""
    if np.isnan(probability).any():
        return Thresholds(*(np.zeros(0, kind) for kind in (np.float64, np.int64, np.int64)))
    order = np.argsort(-probability, kind="stable")
    falling, hits = probability[order], np.cumsum(is_class[order])
    ends = np.flatnonzero(np.diff(falling, append=-np.inf))
    return Thresholds(falling[ends], hits[ends], 1 + ends - hits[ends])


def class_thresholds(evaluation: Evaluation, label: int) -> Thresholds:
    """Class `label` against the rest."""
    return thresholds(evaluation.labels == label, evaluation.class_probability(label))


@dataclass(frozen=True, eq=False)
class Areas:
    """Average precision and ROC AUC of every class, float64 (classes,), NaN where there is none."""

    average_precision: np.ndarray
    roc_auc: np.ndarray

    def macro(self) -> tuple[float, float]:
        """Mean average precision and AUC over the classes that have one; NaN where none has."""
        return self._means(np.ones(len(self.roc_auc)))

    def weighted(self, support: np.ndarray) -> tuple[float, float]:
        """The same weighted by the classes' images, (classes,)."""
        return self._means(support)

    def _means(self, weights: np.ndarray) -> tuple[float, float]:
        return tuple(_mean(values, weights) for values in (self.average_precision, self.roc_auc))


def class_areas(evaluation: Evaluation) -> Generator[Progress, None, Areas]:
    """Of every class, yielding Progress. Meant for up to MOST_CLASSES classes."""
    count, found = len(evaluation.classes), []
    for label in range(count):
        yield Progress("Precision-recall and ROC curves", label, count)
        curve = class_thresholds(evaluation, label)
        found.append((curve.average_precision, curve.roc_auc))
    return Areas(*np.array(found, np.float64).reshape(count, 2).T)


def spread_points(across: np.ndarray, up: np.ndarray, count: int = 400) -> np.ndarray:
    """Indices of at most `count` points of a curve, (n,) int64: the ends, and those about equally far apart along it."""
    way = np.cumsum(np.abs(np.diff(across, prepend=across[:1])) + np.abs(np.diff(up, prepend=up[:1])))
    return (
        np.unique(np.searchsorted(way, np.linspace(0, way[-1], count)).clip(max=len(way) - 1))
        if len(way) > count
        else np.arange(len(way))
    )


def _share(counts: np.ndarray, whole: int) -> np.ndarray:
    return counts / whole if whole else np.full(len(counts), np.nan)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    is_known = ~np.isnan(values)
    return float(np.average(values[is_known], weights=weights[is_known])) if weights[is_known].any() else np.nan
