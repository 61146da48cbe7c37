"""Compare two models on the same images: changed predictions, McNemar's test and the difference per class.

In: two evaluations of the same images. Out: a Comparison. Only images that one of the two classifies correctly and the other wrongly show which
is better (Q. McNemar, 1947, "Note on the sampling error of the difference between correlated proportions or percentages"). The result holds for
these two models; to compare their settings, repeat both with several seeds.
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from scipy.stats import binom

from cnn_core.errors import RunError
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.intervals import SIGNIFICANCE
from cnn_core.text import counted

OTHER_CLASSES = "The two runs have different classes, so their models cannot be compared. Choose another run."
OTHER_IMAGES = (
    "The two runs were evaluated on different images, so their models cannot be compared. Choose another run or the test images."
)


@dataclass(frozen=True, eq=False)
class ClassChanges:
    """Per class, each (classes,): int64 `count` of its images, `gained` (correct only with B), `lost` (correct only with A); float64
    `difference` of accuracy, B minus A, with 95% interval `low` to `high`, NaN without images; adjusted `p` of McNemar's exact test."""

    count: np.ndarray
    gained: np.ndarray
    lost: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray

    @property
    def is_significant(self) -> np.ndarray:
        """Whether a difference is significant, (classes,) bool."""
        return np.asarray(self.p < SIGNIFICANCE)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Model A, `first`, and model B, `second`. Created by `compare`."""

    first: Evaluation
    second: Evaluation

    @property
    def gained(self) -> np.ndarray:
        """Indices of the images that only B classifies correctly, (n,) int64."""
        return np.flatnonzero(~self.first.is_correct & self.second.is_correct)

    @property
    def lost(self) -> np.ndarray:
        """Indices of the images that only A classifies correctly, (n,) int64."""
        return np.flatnonzero(self.first.is_correct & ~self.second.is_correct)

    @property
    def both_wrong_differently(self) -> np.ndarray:
        """Indices of the images that both misclassify, as different classes, (n,) int64."""
        return np.flatnonzero(~self.first.is_correct & ~self.second.is_correct & (self.first.predicted != self.second.predicted))

    @property
    def difference(self) -> float:
        """Difference of accuracy, B minus A."""
        return self.second.accuracy - self.first.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference."""
        low, high = paired_interval(np.array([len(self.gained)]), np.array([len(self.lost)]), np.array([len(self.first)]))
        return float(low[0]), float(high[0])

    @property
    def p(self) -> float:
        """p-value of McNemar's exact test."""
        return float(mcnemar_p_value(np.array([len(self.gained)]), np.array([len(self.lost)]))[0])

    @cached_property
    def per_class(self) -> ClassChanges:
        """The difference of each class."""
        labels, classes = self.first.labels, len(self.first.classes)
        count = np.bincount(labels, minlength=classes)
        gained, lost = (np.bincount(labels[indices], minlength=classes) for indices in (self.gained, self.lost))
        difference = np.where(count > 0, (gained - lost) / np.maximum(count, 1), np.nan)
        return ClassChanges(
            count,
            gained,
            lost,
            difference,
            *paired_interval(gained, lost, count),
            holm_correction(mcnemar_p_value(gained, lost), count > 0),
        )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Return the comparison. Raises RunError if classes or images differ."""
    if first.classes != second.classes:
        raise RunError(OTHER_CLASSES)
    if not np.array_equal(first.labels, second.labels):
        raise RunError(OTHER_IMAGES)
    return Comparison(first, second)


def verdict(comparison: Comparison) -> str:
    """Return the result in a sentence."""
    a, b = comparison.first.accuracy, comparison.second.accuracy
    gained, lost, p = len(comparison.gained), len(comparison.lost), comparison.p
    changed = f"{counted(gained, 'image is', 'images are')} correct only with B and {lost:,} only with A"
    if not gained + lost:
        return f"A and B classify the same images correctly: {a:.1%}."
    if p >= SIGNIFICANCE:
        return f"The accuracies do not differ significantly: {a:.1%} for A, {b:.1%} for B; {changed}, {_format_p(p)}."
    better, high, low = ("B", b, a) if b > a else ("A", a, b)
    return f"{better} is significantly more accurate: {high:.1%} against {low:.1%}; {changed}, {_format_p(p)}."


def _format_p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def mcnemar_p_value(gained: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Return the two-sided p of McNemar's exact test, (k,) float64: if both models are equally good, `gained` is binomial with p = 0.5.

    gained, lost: (k,) int64.
    """
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(np.minimum(gained, lost), gained + lost, 0.5)))


def paired_interval(
    gained: np.ndarray, lost: np.ndarray, count: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of (gained - lost) / count, (k,) float64 each; -1 and 1 without images.

    The adjusted Wald interval of A. Agresti and Y. Min (2005, "Simple improved confidence intervals for comparing matched proportions"): half
    an image is added to each of the four cells, which improves the coverage for few images.
    """
    z, total = NormalDist().inv_cdf((1 + confidence) / 2), count + 2
    difference = (gained - lost) / total
    spread = z * np.sqrt(((gained + lost + 1) / total - difference**2) / total)
    low, high = np.maximum(-1.0, difference - spread), np.minimum(1.0, difference + spread)
    return np.where(count > 0, low, -1.0), np.where(count > 0, high, 1.0)


def holm_correction(p: np.ndarray, is_tested: np.ndarray) -> np.ndarray:
    """Return p-values (k,) adjusted for multiple tests (S. Holm, 1979, "A simple sequentially rejective multiple test procedure").

    is_tested (k,) bool: others become 1 and do not count. SciPy has no Holm correction.
    """
    indices = np.flatnonzero(is_tested)
    order = indices[np.argsort(p[indices], kind="stable")]
    adjusted = np.ones(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
