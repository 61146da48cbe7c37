"""Two networks on the same images: which images changed sides, whether that is more than chance, and in which classes.

In: two evaluations of the same images. Out: a Comparison. Only images on which one of the two is right and the other wrong say which is better
(Q. McNemar, 1947, "Note on the sampling error of the difference between correlated proportions or percentages"). What it says is of these two
networks on images like these: whether their settings are better is said by repeated seeds.
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from scipy.stats import binom

from cnn_core.errors import RunError
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.intervals import EVIDENCE


@dataclass(frozen=True, eq=False)
class ClassChanges:
    """Per class, each (classes,): int64 `count` of its images, `gained` (right with B only), `lost` (right with A only); float64
    `difference` of accuracy, B minus A, with 95 % interval `low` to `high`, NaN without images; `p` of McNemar's exact test, adjusted."""

    count: np.ndarray
    gained: np.ndarray
    lost: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray

    @property
    def is_evident(self) -> np.ndarray:
        return self.p < EVIDENCE


@dataclass(frozen=True, eq=False)
class Comparison:
    """Network A, `first`, and network B, `second`. Made by `compare`."""

    first: Evaluation
    second: Evaluation

    @property
    def gained(self) -> np.ndarray:
        """Indices of the images that only B has right, (n,) int64."""
        return np.flatnonzero(~self.first.is_right & self.second.is_right)

    @property
    def lost(self) -> np.ndarray:
        """Indices of the images that only A has right, (n,) int64."""
        return np.flatnonzero(self.first.is_right & ~self.second.is_right)

    @property
    def wrong_otherwise(self) -> np.ndarray:
        """Indices of the images that both have wrong, each with another class, (n,) int64."""
        return np.flatnonzero(~self.first.is_right & ~self.second.is_right & (self.first.predicted != self.second.predicted))

    @property
    def difference(self) -> float:
        """Of accuracy, B minus A."""
        return self.second.accuracy - self.first.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        low, high = paired_interval(np.array([len(self.gained)]), np.array([len(self.lost)]), np.array([len(self.first)]))
        return float(low[0]), float(high[0])

    @property
    def p(self) -> float:
        return float(mcnemar(np.array([len(self.gained)]), np.array([len(self.lost)]))[0])

    @cached_property
    def per_class(self) -> ClassChanges:
        labels, classes = self.first.labels, len(self.first.classes)
        count = np.bincount(labels, minlength=classes)
        gained, lost = (np.bincount(labels[indices], minlength=classes) for indices in (self.gained, self.lost))
        difference = np.where(count > 0, (gained - lost) / np.maximum(count, 1), np.nan)
        return ClassChanges(
            count, gained, lost, difference, *paired_interval(gained, lost, count), holm(mcnemar(gained, lost), count > 0)
        )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Raises RunError when the two are not of the same classes and images."""
    if first.classes != second.classes:
        raise RunError(
            "These two runs have other classes, so their networks cannot be compared image by image. Choose another run."
        )
    if not np.array_equal(first.labels, second.labels):
        raise RunError(
            "These two runs were evaluated on other images, so they cannot be compared image by image. Choose another run, or test images."
        )
    return Comparison(first, second)


def verdict(comparison: Comparison) -> str:
    """What may be said of A and B, as a sentence."""
    a, b = comparison.first.accuracy, comparison.second.accuracy
    gained, lost, p = len(comparison.gained), len(comparison.lost), comparison.p
    changed = f"{gained:,} {'image is' if gained == 1 else 'images are'} right with B only and {lost:,} with A only"
    if not gained + lost:
        return f"A and B are right on the very same images: {a:.1%}."
    if p >= EVIDENCE:
        return f"No evidence that one is better: B {b:.1%} against A {a:.1%}; {changed}, {_told(p)}."
    better, high, low = ("B", b, a) if b > a else ("A", a, b)
    return f"{better} is better: {high:.1%} against {low:.1%}; {changed}, {_told(p)}."


def _told(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def mcnemar(gained: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Two-sided p of McNemar's test, (k,) float64, exact at any size: were both equally good, each of the n images that changed sides would
    have gone either way like a coin. gained, lost: (k,) int64."""
    return np.minimum(1.0, 2 * binom.cdf(np.minimum(gained, lost), gained + lost, 0.5))


def paired_interval(
    gained: np.ndarray, lost: np.ndarray, count: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest likely (gained - lost) / count, (k,) float64 each; -1 and 1 without images.

    The adjusted Wald interval of A. Agresti and Y. Min (2005, "Simple improved confidence intervals for comparing matched proportions"): half
    an image more in each of the four cells, which keeps it honest for few images.
    """
    z, total = NormalDist().inv_cdf((1 + confidence) / 2), count + 2
    difference = (gained - lost) / total
    spread = z * np.sqrt(((gained + lost + 1) / total - difference**2) / total)
    low, high = np.maximum(-1.0, difference - spread), np.minimum(1.0, difference + spread)
    return np.where(count > 0, low, -1.0), np.where(count > 0, high, 1.0)


def holm(p: np.ndarray, is_tested: np.ndarray) -> np.ndarray:
    """The p values (k,) adjusted for their number: with many classes some would seem changed by chance alone (S. Holm, 1979, "A simple
    sequentially rejective multiple test procedure"). Those that are not tested (k,) bool become 1 and do not count."""
    places = np.flatnonzero(is_tested)
    order = places[np.argsort(p[places], kind="stable")]
    adjusted = np.ones(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
