"""The effect of a change: the metric of run B minus that of run A, over pairs of runs with the same seed, with its confidence interval.

In: the metric of both runs of every pair. Out: an `Effect`, its description, and the verdict on a prediction. The interval is that of
Student's paired t-test (W. S. Gosset, "The probable error of a mean", 1908): both runs of a pair have the same seed, so what the seed
changes in both runs cancels out. Importing this module does not import torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal

from cnn_core.lessons.final_metrics import Direction, FinalMetric

CONFIDENCE_LEVEL = 0.95
UNKNOWN = "unknown"
DIRECTIONS: tuple[Direction, ...] = ("lower", "same", "higher")
PREDICTIONS = (*DIRECTIONS, UNKNOWN)

Verdict = Literal["no prediction", "one pair", "consistent", "confirmed", "not significant", "different"]
VERDICTS: dict[Verdict, str] = {
    "no prediction": "You made no prediction.",
    "one pair": "One pair is not enough to check it. Train more pairs.",
    "consistent": "The result agrees: no significant difference was found. With more pairs, a small difference could become significant.",
    "confirmed": "The result confirms it.",
    "not significant": "The result does not confirm it: the difference is not significant. Train more pairs for a narrower interval.",
    "different": "The result is different.",
}


@dataclass(frozen=True)
class Effect:
    """The values of `metric` for runs A and B, one pair for each seed.

    resolution: the smallest possible change of the metric, which is that of one validation image; 0 for a metric that does not count images.
    """

    metric: FinalMetric
    pairs: tuple[tuple[float, float], ...]
    resolution: float = 0.0

    @property
    def differences(self) -> list[float]:
        """B minus A for every pair."""
        return [b - a for a, b in self.pairs]

    @property
    def mean_difference(self) -> float:
        """The mean of B minus A."""
        return mean(self.differences)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% confidence interval of the mean difference; None for fewer than two pairs.

        It reaches at least one validation image to either side: a few pairs can have the same difference by chance.
        """
        count = len(self.pairs)
        if count < 2:
            return None
        from scipy.special import stdtrit  # scipy would slow down the first paint of the page

        margin = float(stdtrit(count - 1, (1 + CONFIDENCE_LEVEL) / 2)) * stdev(self.differences) / count**0.5
        margin = max(margin, self.resolution)
        return self.mean_difference - margin, self.mean_difference + margin

    @property
    def direction(self) -> Direction | None:
        """Whether B is lower or higher than A; "same" if the difference is not significant, None for fewer than two pairs."""
        if self.interval is None:
            return None
        low, high = self.interval
        return "lower" if high < 0 else "higher" if low > 0 else "same"


def make_effect(metric: FinalMetric, pairs: Sequence[tuple[float, float]], validation_count: int) -> Effect:
    """Return the effect for at least one pair, whose runs were validated on `validation_count` images (0 if unknown)."""
    return Effect(metric, tuple(pairs), 100 / validation_count if metric.counts_images and validation_count else 0.0)


def describe_effect(effect: Effect) -> str:
    """Return a sentence with the difference, both values, the confidence interval and the number of pairs."""
    metric, count = effect.metric, len(effect.pairs)
    a, b = (metric.with_unit(mean(values)) for values in zip(*effect.pairs, strict=True))
    values = f"A: {a}, B: {b}"
    size = f"{metric.number(abs(effect.mean_difference))} {metric.difference_unit}"
    word = metric.words["lower" if effect.mean_difference < 0 else "higher"]
    if effect.interval is None:
        comparison = f"{word} in B by {size}" if round(effect.mean_difference, metric.digits) else "equal in A and B"
        return f"The {metric.title} is {comparison} ({values}). This is the result of one pair and may be due to chance."
    low, high = effect.interval
    if effect.direction == "same":
        difference = f"{metric.number(effect.mean_difference)} {metric.difference_unit}"
        return (
            f"The {metric.title} does not differ significantly ({values}). The difference B − A is {difference} "
            f"({_interval(metric, low, high)}, n = {count} pairs)."
        )
    low, high = sorted((abs(low), abs(high)))
    return f"The {metric.title} is {word} in B by {size} ({values}; {_interval(metric, low, high, is_positive=True)}, n = {count} pairs)."


def _interval(metric: FinalMetric, low: float, high: float, *, is_positive: bool = False) -> str:
    """Return "95% confidence interval 0.2 to 1.2". is_positive: both ends are above zero, so the lower one is not written as 0.0."""
    start = "just above 0" if is_positive and metric.number(low) == metric.number(0) else metric.number(low)
    return f"{CONFIDENCE_LEVEL:.0%} confidence interval {start} to {metric.number(high)}"


def describe_resolution(effect: Effect, validation_count: int) -> str:
    """Return a sentence on the smallest possible change of the metric; "" for a metric that does not count images."""
    if not effect.resolution:
        return ""
    return f"One of the {validation_count:,} validation images changes the accuracy by {effect.resolution:.2g} percentage points."


def judge_prediction(effect: Effect, prediction: str) -> Verdict:
    """Return how the effect agrees with a prediction, which is one of PREDICTIONS."""
    if prediction not in DIRECTIONS:
        return "no prediction"
    if effect.direction is None:
        return "one pair"
    if effect.direction == prediction:
        return "consistent" if prediction == "same" else "confirmed"
    return "not significant" if effect.direction == "same" else "different"


def describe_verdict(effect: Effect, prediction: str) -> str:
    """Return the prediction and the verdict on it in one or two sentences."""
    verdict = judge_prediction(effect, prediction)
    if verdict == "no prediction":
        return VERDICTS[verdict]
    word = next(effect.metric.words[direction] for direction in DIRECTIONS if direction == prediction)
    return f"Your prediction: {word}. {VERDICTS[verdict]}"
