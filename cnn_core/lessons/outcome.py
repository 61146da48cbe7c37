"""What came of an exercise: B against A over pairs of runs with the same seed, with its uncertainty, and beside what was expected.

In: for each pair the two figures. Out: an Outcome and its sentences. Student's t on the differences of the pairs (W. S. Gosset, "The probable
error of a mean", 1908): the seed that the two share moves both alike, and drops out. Importing this module does not import torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from cnn_core.lessons.measures import Direction, Measure

CONFIDENCE = 0.95
UNKNOWN = "unknown"
DIRECTIONS: tuple[Direction, ...] = ("lower", "same", "higher")
PREDICTIONS = (*DIRECTIONS, UNKNOWN)


@dataclass(frozen=True)
class Outcome:
    """`pairs`: the measure of A and of B, one pair a seed. `grain`: what one validation image is worth, in the measure's unit; 0 for a
    measure that does not count images."""

    measure: Measure
    pairs: tuple[tuple[float, float], ...]
    grain: float = 0.0

    @property
    def differences(self) -> list[float]:
        """B minus A, pair by pair."""
        return [b - a for a, b in self.pairs]

    @property
    def mean(self) -> float:
        """Of the differences."""
        return mean(self.differences)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean difference lies at 95 % confidence; None for fewer than two pairs.

        Not narrower than one image to either side: a few pairs that happen to differ by the same number of images say no more.
        """
        count = len(self.pairs)
        if count < 2:
            return None
        from scipy.special import stdtrit  # not above: the page's first paint does without scipy

        reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * stdev(self.differences) / count**0.5
        reach = max(reach, self.grain)
        return self.mean - reach, self.mean + reach

    @property
    def direction(self) -> Direction | None:
        """Where B lies; "same" where chance could have made the difference, None where it cannot be told."""
        if self.interval is None:
            return None
        low, high = self.interval
        return "lower" if high < 0 else "higher" if low > 0 else "same"


def in_words(outcome: Outcome) -> str:
    """B against A in a sentence with its interval and n."""
    measure, count = outcome.measure, len(outcome.pairs)
    a, b = (measure.in_words(mean(values)) for values in zip(*outcome.pairs, strict=True))
    levels = f"{a} in A, {b} in B"
    word = measure.words["lower" if outcome.mean < 0 else "higher"]
    apart = f"{measure.number(abs(outcome.mean))} {measure.apart}"
    if outcome.interval is None:
        how = f"{word} by {apart}" if round(outcome.mean, measure.digits) else "the same as A's"
        return f"B's {measure.title} is {how} ({levels}) in the one pair that is done; one pair cannot tell this from chance."
    ends = outcome.interval
    if outcome.direction == "same":
        low, high = (measure.number(end) for end in ends)
        return (
            f"B's {measure.title} cannot be told apart from A's ({levels}): a difference of {measure.number(outcome.mean)} {measure.apart} "
            f"is within what chance makes (95 % interval {low} to {high}, n = {count} pairs)."
        )
    low, high = (measure.number(end) for end in sorted(map(abs, ends)))
    low = "just above 0" if low == measure.number(0) else low  # a bare 0.0 would say that chance could have made it
    return f"B's {measure.title} is {word} by {apart} ({levels}; 95 % interval {low} to {high}, n = {count} pairs)."


def grain_in_words(outcome: Outcome, count: int) -> str:
    """What one of `count` validation images is worth; "" for a measure that does not count them."""
    if not outcome.grain:
        return ""
    return f"One of the {count:,} validation images is worth {outcome.grain:.2g} points."


def compare_prediction(outcome: Outcome, prediction: str) -> str:
    """What was expected beside what came out."""
    words, found = outcome.measure.words, outcome.direction
    if prediction not in DIRECTIONS:
        return "You made no prediction this time."
    expected = f"You expected: {words[prediction]}."
    if found is None:
        return f"{expected} A single pair cannot say; train more pairs to find out."
    if found == "same" == prediction:
        return f"{expected} No difference was found, so it may be so; more pairs would show smaller ones too."
    if found == prediction:
        return f"{expected} That is what came out."
    if found == "same":
        return f"{expected} It may be so, but these pairs cannot show it: their difference is within what chance makes. More pairs would narrow it down."
    return f"{expected} It turned out {words[found]}, which is what an experiment is for."


def read_outcome(measure: Measure, pairs: Sequence[tuple[float, float]], validation_count: int) -> Outcome:
    """The outcome of at least one pair whose runs were validated on so many images."""
    return Outcome(measure, tuple(pairs), 100 / validation_count if measure.counts_images and validation_count else 0.0)
