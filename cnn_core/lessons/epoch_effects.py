"""The effect of a change at every epoch, and whether the curves of runs A and B agree with a prediction during training.

In: the epochs of both runs of every pair, also of runs that still train. Out: an `Effect` for each epoch, and a sentence. The last value of
a run that has finished earlier than its partner stands for the later epochs. Importing this module does not import torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnn_core.events import Epoch
from cnn_core.lessons.effect import DIRECTIONS, Effect, make_effect
from cnn_core.lessons.final_metrics import Direction, FinalMetric

ONE_EPOCH = "The curves agree with your prediction in the first epoch."
ALL_EPOCHS = "The curves agree with your prediction in all {total:,} epochs."
FROM_EPOCH = "The curves agree with your prediction in {agreeing:,} of {total:,} epochs, and from epoch {first:,} on."
NOT_IN_LAST = "The curves agree with your prediction in {agreeing:,} of {total:,} epochs, but not in the last one."
NO_EPOCH = "The curves do not agree with your prediction in any epoch."


@dataclass(frozen=True)
class RunEpochs:
    """The epochs of one run. is_finished: whether no more will follow."""

    epochs: Sequence[Epoch]
    is_finished: bool


def measure_epochs(
    metric: FinalMetric, pairs: Sequence[tuple[RunEpochs, RunEpochs]], validation_count: int
) -> tuple[Effect, ...]:
    """Return the effect at each epoch that both runs of at least one pair have reached; empty while there is none."""
    lengths = [_comparable(*pair) for pair in pairs]
    effects = []
    for at in range(max(lengths, default=0)):
        reached = [pair for pair, length in zip(pairs, lengths, strict=True) if at < length]
        values = [(_value(metric, a, at), _value(metric, b, at)) for a, b in reached]
        effects.append(make_effect(metric, values, validation_count))
    return tuple(effects)


def _comparable(a: RunEpochs, b: RunEpochs) -> int:
    """Return the number of epochs that both runs have reached, where a finished run has reached every epoch of the other."""
    if not a.epochs or not b.epochs:
        return 0
    unfinished = [len(run.epochs) for run in (a, b) if not run.is_finished]
    return min(unfinished) if unfinished else max(len(a.epochs), len(b.epochs))


def _value(metric: FinalMetric, run: RunEpochs, at: int) -> float:
    return metric.value(run.epochs[min(at, len(run.epochs) - 1)])


def describe_agreement(effects: Sequence[Effect], prediction: str) -> str:
    """Return in how many epochs the curves agree with a prediction, and from when on; "" without a prediction or epochs."""
    if not effects or prediction not in DIRECTIONS:
        return ""
    agrees = [epoch_direction(effect) == prediction for effect in effects]
    agreeing, total = sum(agrees), len(agrees)
    if not agreeing:
        return NO_EPOCH
    if agreeing == total:
        return ONE_EPOCH if total == 1 else ALL_EPOCHS.format(total=total)
    if not agrees[-1]:
        return NOT_IN_LAST.format(agreeing=agreeing, total=total)
    return FROM_EPOCH.format(agreeing=agreeing, total=total, first=total - agrees[::-1].index(False) + 1)


def epoch_direction(effect: Effect) -> Direction:
    """Return the direction at one epoch. A single pair has no interval: there it is that of a difference above the metric's resolution."""
    if effect.direction:
        return effect.direction
    difference = effect.mean_difference
    return "same" if abs(difference) <= effect.resolution else "lower" if difference < 0 else "higher"
