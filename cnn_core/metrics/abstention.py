"""What a network's answers are worth when it may say "I don't know": those below a confidence are not given (C. Chow, 1970).

In: confidences (N,) and which images were classified right (N,). Out: for one threshold or many, how many images are answered and how many
of those rightly: the coverage and the accuracy of selective classification (Y. Geifman and R. El-Yaniv, 2017).
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.intervals import wilson_interval

CURVE_POINTS = 200


@dataclass(frozen=True, eq=False)
class Abstention:
    """For every one of `thresholds` (T,), how many of `count` images have at least that confidence: `answered` (T,) int64, and how many of
    them are classified right: `right` (T,) int64. `all_right`: how many are, with or without an answer."""

    thresholds: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    count: int
    all_right: int

    @property
    def coverage(self) -> np.ndarray:
        """Share of the images that are answered, (T,)."""
        return self.answered / max(1, self.count)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the answers that are right, (T,); NaN where none is given."""
        with np.errstate(invalid="ignore"):
            return self.right / self.answered

    @property
    def kept(self) -> np.ndarray:
        """Share of the right answers that are still given, (T,); NaN where there are none at all."""
        with np.errstate(invalid="ignore"):
            return self.right / np.float64(self.all_right)

    def accuracy_interval(self, place: int = 0) -> tuple[float, float]:
        """Between which shares the accuracy of the answers at thresholds[place] lies, with 95 % confidence."""
        return wilson_interval(int(self.right[place]), int(self.answered[place]))


def abstain(confidence: np.ndarray, is_right: np.ndarray, thresholds: np.ndarray) -> Abstention:
    """confidence (N,) float64 in 0..1, is_right (N,) bool, thresholds (T,): an image is answered from its threshold on."""
    confidence = np.nan_to_num(confidence)  # no number, of a network that diverged, is no answer
    order = np.argsort(confidence)
    first = np.searchsorted(confidence[order], thresholds, side="left")  # the first image that is answered, in that order
    rights = np.concatenate(([0], np.cumsum(is_right[order])))
    return Abstention(thresholds, len(order) - first, rights[-1] - rights[first], len(order), int(rights[-1]))


def abstention_curve(confidence: np.ndarray, is_right: np.ndarray) -> Abstention:
    """At thresholds between which about equally many images lie, from answering all of them to answering the surest alone."""
    quantiles = np.quantile(np.nan_to_num(confidence), np.linspace(0, 1, CURVE_POINTS), method="lower")
    return abstain(confidence, is_right, np.unique(quantiles))
