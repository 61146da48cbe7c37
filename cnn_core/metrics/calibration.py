"""Whether a network is as often right as it is sure, and one number that mends it where it is not.

In: an Evaluation, or confidences (N,) and which images were classified right (N,). Out: the reliability diagram with its errors
(M. Naeini, G. Cooper and M. Hauskrecht, 2015), and the temperature by which logits are to be divided (C. Guo, G. Pleiss, Y. Sun and
K. Weinberger, 2017). Which class is the most probable is never changed by it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from cnn_core.errors import RunError
from cnn_core.metrics.evaluation import Evaluation

BINS = 15  # as many as Guo and others used
COLDEST, HOTTEST = 0.05, 50.0  # temperatures between which the fitted one is looked for
FITTED_LOGITS = 2**23  # at most so many, of images evenly spread over the set: 64 MB in float64, and about a second
FEW_IMAGES = 100  # a temperature fitted on fewer says little


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images by their confidence, in bins of equal width: (BINS,) each. `count` int64; `accuracy` and mean `confidence` float64, 0..1, NaN
    in a bin without images. A bin holds confidences above its lower edge and up to its upper one; `edges` (BINS + 1,)."""

    edges: np.ndarray
    count: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """How far accuracy and mean confidence lie apart in every bin, 0..1, (BINS,); 0 in a bin without images."""
        return np.nan_to_num(np.abs(self.accuracy - self.confidence))

    @property
    def expected_error(self) -> float:
        """The mean gap, every image counting the same (expected calibration error, ECE), 0..1."""
        return float(self.gaps @ self.count / max(1, self.count.sum()))

    @property
    def largest_error(self) -> float:
        """The gap of the worst bin (maximum calibration error, MCE), 0..1."""
        return float(self.gaps.max())

    @property
    def is_overconfident(self) -> bool:
        """Whether confidence is higher than accuracy over all images."""
        return bool(np.nansum((self.confidence - self.accuracy) * self.count) > 0)


def measure_reliability(confidence: np.ndarray, is_right: np.ndarray, bins: int = BINS) -> Reliability:
    """confidence (N,) float64 in 0..1, is_right (N,) bool. No number (of a network that diverged) counts as no confidence."""
    confidence = np.nan_to_num(confidence)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: there is nothing in that bin
        accuracy = np.bincount(place, is_right, bins) / count
        mean = np.bincount(place, confidence, bins) / count
    return Reliability(edges, count, accuracy, mean)


def reliability_of(evaluation: Evaluation) -> Reliability:
    return measure_reliability(evaluation.scores.confidence, evaluation.is_right)


def fit_temperature(evaluation: Evaluation) -> float:
    """The temperature at which the evaluation's cross-entropy is lowest. Its images must not be those that the network learned from.

    Raises RunError where no temperature is the best one.
    """
    logits, labels = _some_logits(evaluation)
    if not torch.isfinite(logits).all():
        raise RunError(
            "Some of the network's outputs are no numbers, so there is nothing to calibrate. Train it at a lower learning rate."
        )
    if (logits.argmax(1) == labels).all():
        raise RunError(
            f"All {len(labels):,} images are classified right, so there is no mistake by which confidence could be measured. "
            "Leave the probabilities as they are, or train with a larger validation share."
        )

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(logits / float(np.exp(log_temperature)), labels).item()

    bounds = (np.log(COLDEST), np.log(HOTTEST))  # in 1/temperature the loss is convex, so there is one minimum
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5}).x))


def _some_logits(evaluation: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, classes) float64 and labels (n,) int64 of all images, or of as many, evenly spread, as make FITTED_LOGITS."""
    most = max(1, FITTED_LOGITS // len(evaluation.classes))
    rows = np.unique(np.linspace(0, len(evaluation) - 1, min(most, len(evaluation))).round().astype(np.int64))
    return torch.from_numpy(evaluation.logits[rows].astype(np.float64)), torch.from_numpy(evaluation.labels[rows])
