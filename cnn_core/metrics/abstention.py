"""Selective classification: a model that abstains below a confidence threshold (C. Chow, 1970).

In: confidences (N,) and which images are classified correctly (N,). Out: for one threshold or many, coverage and accuracy of the predictions
that are made (Y. Geifman and R. El-Yaniv, 2017).
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.intervals import wilson_interval

CURVE_POINTS = 200


@dataclass(frozen=True, eq=False)
class Abstention:
    """For each of `thresholds` (T,): `predicted` (T,) int64, how many of `count` images reach that confidence, and `correct` (T,) int64, how
    many of them are classified correctly. `all_correct`: how many of all images are."""

    thresholds: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray
    count: int
    all_correct: int

    @property
    def coverage(self) -> np.ndarray:
        """Fraction of the images for which a prediction is made, (T,)."""
        return np.asarray(self.predicted / max(1, self.count))

    @property
    def accuracy(self) -> np.ndarray:
        """Fraction of the predictions that are correct, (T,); NaN where none is made."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.correct / self.predicted)

    @property
    def correct_fraction(self) -> np.ndarray:
        """Fraction of all correct predictions that are still made, (T,); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.correct / np.float64(self.all_correct))

    def accuracy_interval(self, index: int = 0) -> tuple[float, float]:
        """Return the 95% interval of the accuracy at thresholds[index]."""
        return wilson_interval(int(self.correct[index]), int(self.predicted[index]))


def measure_abstention(confidence: np.ndarray, is_correct: np.ndarray, thresholds: np.ndarray) -> Abstention:
    """Return coverage and accuracy at `thresholds` (T,), for confidence (N,) float64 in 0..1 and is_correct (N,) bool."""
    confidence = np.nan_to_num(confidence)  # the NaN of a diverged model counts as no confidence
    order = np.argsort(confidence)
    first = np.searchsorted(
        confidence[order], thresholds, side="left"
    )  # the first image that reaches the threshold, in that order
    correct = np.concatenate(([0], np.cumsum(is_correct[order])))
    return Abstention(thresholds, len(order) - first, correct[-1] - correct[first], len(order), int(correct[-1]))


def abstention_curve(confidence: np.ndarray, is_correct: np.ndarray) -> Abstention:
    """Return coverage and accuracy at quantiles of the confidence, from full coverage to the most confident image alone."""
    quantiles = np.quantile(np.nan_to_num(confidence), np.linspace(0, 1, CURVE_POINTS), method="lower")
    return measure_abstention(confidence, is_correct, np.unique(quantiles))
