"""Calibration: the reliability diagram with its errors, and the temperature that reduces them.

In: an Evaluation, or confidences (N,) and which images are classified correctly (N,). Out: a reliability diagram with expected and maximum
calibration error (M. Naeini, G. Cooper and M. Hauskrecht, 2015), a verdict on it, and the temperature that logits are divided by (C. Guo, G. Pleiss, Y. Sun and
K. Weinberger, 2017). A temperature never changes the predicted class.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from cnn_core.errors import RunError
from cnn_core.metrics.evaluation import Evaluation

BINS = 15  # as many as Guo and others used
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 50.0  # bounds of the fit
MAX_LOGITS = 2**23  # used for the fit, of images spread evenly over the set: 64 MB in float64, about a second
FEW_IMAGES = 100  # a temperature fitted on fewer is unreliable
SMALL_ERROR = 0.02  # ECE, or difference of mean confidence and accuracy, that has no consequence
CHANCE_DRAWS, CHANCE_QUANTILE = 1000, 0.95

Verdict = Literal["calibrated", "within chance", "overconfident", "underconfident", "uneven"]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images in bins of equal width by confidence, (BINS,) each: `count` int64; `accuracy` and mean `confidence` float64, 0..1, NaN in an
    empty bin. A bin holds confidences above its lower edge and up to its upper one; `edges` (BINS + 1,)."""

    edges: np.ndarray
    count: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Absolute difference of accuracy and mean confidence in each bin, 0..1, (BINS,); 0 in an empty bin."""
        return np.asarray(np.nan_to_num(np.abs(self.accuracy - self.confidence)))

    @property
    def expected_error(self) -> float:
        """Expected calibration error (ECE): the gaps' mean weighted by the number of images, 0..1."""
        return float(self.gaps @ self.count / max(1, self.count.sum()))

    @property
    def largest_error(self) -> float:
        """Maximum calibration error (MCE): the largest gap, 0..1."""
        return float(self.gaps.max())

    @property
    def largest_error_count(self) -> int:
        """Number of images in the bin with the largest gap."""
        return int(self.count[self.gaps.argmax()])

    @property
    def difference(self) -> float:
        """Mean confidence minus accuracy over all images, -1..1."""
        return float(np.nansum((self.confidence - self.accuracy) * self.count) / max(1, self.count.sum()))

    @property
    def chance_error(self) -> float:
        """The ECE, 0..1, below which CHANCE_QUANTILE of perfectly calibrated models have theirs with as many images of the same confidence.

        With few images it is far above 0 (J. Bröcker and L. Smith: Increasing the Reliability of Reliability Diagrams, 2007).
        """
        confidence, images = np.nan_to_num(self.confidence), np.maximum(self.count, 1)
        correct = np.random.default_rng(0).binomial(self.count, confidence, (CHANCE_DRAWS, len(images)))
        errors = np.abs(correct / images - confidence) @ self.count / max(1, self.count.sum())
        return float(np.quantile(errors, CHANCE_QUANTILE))

    @property
    def verdict(self) -> Verdict:
        """What the errors mean. "within chance": they are not small, but no larger than a perfectly calibrated model may have with so few
        images. "uneven": confidence is too high in some bins and too low in others."""
        confidence, total = np.nan_to_num(self.confidence), max(1, self.count.sum())
        spread = float(np.sqrt((self.count * confidence * (1 - confidence)).sum()) / total)  # of `difference`, by chance
        if abs(self.difference) >= max(SMALL_ERROR, 1.96 * spread):
            return "overconfident" if self.difference > 0 else "underconfident"
        if max(abs(self.difference), self.expected_error) < SMALL_ERROR:
            return "calibrated"
        return "uneven" if self.expected_error > self.chance_error else "within chance"


def measure_reliability(confidence: np.ndarray, is_correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Return the reliability diagram for confidence (N,) float64 in 0..1 and is_correct (N,) bool. NaN counts as confidence 0."""
    confidence = np.nan_to_num(confidence)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: an empty bin
        accuracy = np.bincount(bin_of, is_correct, bins) / count
        mean = np.bincount(bin_of, confidence, bins) / count
    return Reliability(edges, count, accuracy, mean)


def reliability_of(evaluation: Evaluation) -> Reliability:
    """Return the reliability diagram of an evaluation."""
    return measure_reliability(evaluation.scores.confidence, evaluation.is_correct)


def fit_temperature(evaluation: Evaluation) -> float:
    """Return the temperature at which the evaluation's cross-entropy is lowest. Its images must not be training images.

    Raises RunError if there is no best temperature.
    """
    logits, labels = sample_logits(evaluation)
    if not torch.isfinite(logits).all():
        raise RunError(
            "Some outputs of the model are not finite numbers, so it cannot be calibrated. Train it with a lower learning rate."
        )
    if (logits.argmax(1) == labels).all():
        raise RunError(
            f"A temperature cannot be fitted, because all {len(labels):,} images are classified correctly. "
            "Use the probabilities as they are, or train with a larger validation split."
        )

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(logits / float(np.exp(log_temperature)), labels).item()

    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))  # the loss is convex in 1/temperature: one minimum
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5}).x))


def sample_logits(evaluation: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (n, classes) float64 and labels (n,) int64 of all images, or of an evenly spread sample with at most MAX_LOGITS logits."""
    limit = max(1, MAX_LOGITS // len(evaluation.classes))
    rows = np.unique(np.linspace(0, len(evaluation) - 1, min(limit, len(evaluation))).round().astype(np.int64))
    return torch.from_numpy(evaluation.logits[rows].astype(np.float64)), torch.from_numpy(evaluation.labels[rows])
