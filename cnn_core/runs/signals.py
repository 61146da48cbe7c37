"""What the diagnostics measure in a run: jumps of the loss, gradient spikes, chance level, the standard error of an accuracy.

In: a history. Out: frozen values, or None where nothing is found or the data do not suffice. Importing this module does not import torch.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from statistics import mean, median, stdev

import numpy as np
from numpy.typing import NDArray

from cnn_core.events import Epoch, Started
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.runs.history import History

WINDOW_STEPS = 20  # a single unusual batch does not change the median of this many steps
WINDOW_IMAGES = 320  # at least this many images per median, since small batches are noisy
JUMP_ABOVE_START = 2.0  # times the loss of an untrained model: no batch is that hard
EXPLOSION, EXPLOSIONS = 10.0, 3  # times that loss in this many single steps: then no window is needed
JUMP_OF_IMPROVEMENT = 0.5  # of the improvement is lost again
IMPROVEMENT = 0.3  # of the first loss; before that a rise is mostly noise
SPIKE = 10  # times the median gradient norm, which seldom varies by more than a factor of three within one run
MIN_SPIKES = 3  # one may be an unusual batch
MIN_REPORTS = 20  # a median of fewer is unreliable
SETBACK, SETBACK_OF_START = (
    0.25,
    0.1,
)  # a spike is harmful where the loss rose by this fraction, and by this fraction of the first loss
SIGMAS = 3  # chance accuracy is further off than this many standard errors in one of 740 cases (one-sided)
CHANCE_SLACK = 0.03  # of the way from chance to perfect: an untrained model may reach this by accident
RISE_EPOCHS = 3  # epochs since the minimum, and epochs that are averaged
RISE = 1.1  # times the minimum; an accidental minimum is exceeded by a few per cent at once
RISE_NATS = 0.02  # for a loss near zero ten per cent means nothing
RISE_NOISE = 2  # times the standard deviation from epoch to epoch
FALL = 0.95  # training loss must have fallen to this fraction meanwhile


@dataclass(frozen=True)
class LossJump:
    """The loss (median of a window) went from `low` around step `low_step` up to `high` around step `high_step`."""

    low: float
    low_step: int
    high: float
    high_step: int


@dataclass(frozen=True)
class GradientSpikes:
    """`count` of `reports` gradient norms were far beyond the `median`; the largest was `largest` at step `step`, and `harmful` raised the loss."""

    count: int
    harmful: int
    reports: int
    median: float
    largest: float
    step: int


def last_change_step(history: History, ignored: Collection[str]) -> int:
    """Return the last step after which a setting not in `ignored` was changed, 0 for none. Numbers before and after cannot be compared."""
    return max((change.step for change in history.changes if not set(change.settings) <= set(ignored)), default=0)


def first_loss(history: History) -> float:
    """Return the loss before training; at least that of guessing, for a model that starts with pretrained weights."""
    guessing = math.log(max(2, len(history.started.classes))) if history.started else 0.0
    return float(max(guessing, min(history.first_losses)))


def find_loss_jump(history: History, batch_size: int, since: int = 0) -> LossJump | None:
    """Return the highest jump of the training loss beyond its noise after step `since`, within the steps that a history stores."""
    since = max(since, history.diagnosed_after)
    return _find_explosion(history, since) or _find_rise_of_windows(history, batch_size, since)


def _losses_after(history: History, since: int) -> NDArray[np.float32]:
    """Return the losses of the steps after `since`, (steps,)."""
    return np.asarray(history.losses)[since - history.diagnosed_after :]  # a view: a long run has many


def _find_explosion(history: History, since: int) -> LossJump | None:
    start, losses = first_loss(history), _losses_after(history, since)
    if (losses > EXPLOSION * start).sum() < EXPLOSIONS:
        return None
    return LossJump(start, since + 1, float(losses.max()), since + 1 + int(losses.argmax()))


def _find_rise_of_windows(history: History, batch_size: int, since: int) -> LossJump | None:
    size = max(WINDOW_STEPS, -(-WINDOW_IMAGES // batch_size))
    losses = _losses_after(history, since)
    if len(losses) < size:
        return None
    whole = len(losses) // size
    levels = np.median(losses[: whole * size].reshape(whole, size), axis=1).tolist()
    ends = list(range(size, len(losses) + 1, size))
    if len(losses) % size:  # the last window overlaps the one before
        levels, ends = [*levels, float(np.median(losses[-size:]))], [*ends, len(losses)]
    start = first_loss(history)
    jump: LossJump | None = None
    low, low_step = start, since + 1
    for end, level in zip(ends, levels, strict=True):
        step = since + end - size // 2
        is_lost = start - low >= IMPROVEMENT * start and level - low >= JUMP_OF_IMPROVEMENT * (start - low)
        if (level >= JUMP_ABOVE_START * start or is_lost) and (jump is None or level > jump.high):
            jump = LossJump(low, low_step, level, step)
        if level < low:
            low, low_step = level, step
    return jump


def find_spikes(history: History) -> GradientSpikes | None:
    """Return the gradient norms far above the median where enough of them set the training back."""
    steps, norms = history.report_values("gradient_norm")
    steps, norms = steps[~np.isnan(norms)], norms[~np.isnan(norms)]
    if len(norms) < MIN_REPORTS:
        return None
    typical = float(np.median(norms))
    spikes = np.flatnonzero((norms > SPIKE * typical) & (typical > 0))
    harmful = sum(_is_harmful(history, int(steps[at])) for at in spikes)
    if harmful < MIN_SPIKES:
        return None
    largest = int(norms.argmax())
    return GradientSpikes(len(spikes), harmful, len(norms), typical, float(norms[largest]), int(steps[largest]))


def _is_harmful(history: History, step: int) -> bool:
    """Whether the loss rose after the gradient spike at `step`."""
    at = step - history.diagnosed_after
    before, after = history.losses[max(0, at - WINDOW_STEPS) : at], history.losses[at : at + WINDOW_STEPS]
    if not before or len(after) < WINDOW_STEPS // 2:
        return False
    rise = median(after) - median(before)
    return bool(rise > SETBACK * median(before) and rise > SETBACK_OF_START * first_loss(history))


def chance_accuracy(started: Started) -> float | None:
    """Return the accuracy of always predicting the largest class; None where the classes are unknown."""
    if sum(started.class_counts):
        return max(started.class_counts) / sum(started.class_counts)
    return 1 / len(started.classes) if started.classes else None


def _validated_counts(started: Started) -> tuple[int, ...]:
    """Return the validation images of each class; the training images in runs of earlier versions."""
    return started.val_class_counts if sum(started.val_class_counts) else started.class_counts


def validation_chance(started: Started) -> float | None:
    """Return the accuracy of always predicting the largest class of the validation images; that of the training images in runs of earlier
    versions, and None where the classes are unknown."""
    counts = _validated_counts(started)
    return max(counts) / sum(counts) if sum(counts) else chance_accuracy(started)


def largest_class(started: Started) -> str:
    """Return the name of the class with most validation images; with most training images in runs of earlier versions."""
    counts = _validated_counts(started)
    return started.classes[counts.index(max(counts))] if counts else started.classes[0]


def guessing_loss(started: Started) -> float | None:
    """Return the mean cross-entropy (nats) on the validation images of predicting the fractions of their classes for every image: the entropy
    of these fractions, the logarithm of the number of classes where they are equal. None where the classes are unknown."""
    counts = _validated_counts(started)
    if not sum(counts):
        return math.log(len(started.classes)) if started.classes else None
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts if count)


def only_class_predicted(epoch: Epoch) -> int | None:
    """Return the class that was predicted for every validation image of `epoch`; None where there were several.

    In runs of earlier versions, the class that was always right while all others were always wrong.
    """
    if epoch.predicted:
        chosen = [label for label, count in enumerate(epoch.predicted) if count]
        return chosen[0] if len(chosen) == 1 else None
    measured = [(accuracy, label) for label, accuracy in enumerate(epoch.class_accuracy) if accuracy is not None]
    right = [label for accuracy, label in measured if accuracy]
    return right[0] if len(measured) > 1 and len(right) == 1 and epoch.class_accuracy[right[0]] == 1 else None


def accuracy_interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return the 95% interval (both 0..1) of an accuracy measured on `images` images."""
    return wilson_interval(round(accuracy * images), images)


def chance_margin(chance: float, images: int) -> float:
    """Return how far above `chance` the accuracy on `images` images may be without learning."""
    return max(SIGMAS * standard_error(chance, images), CHANCE_SLACK * (1 - chance))


def standard_error(accuracy: float, images: int) -> float:
    """Return the standard error of an accuracy (0..1) measured on `images` images."""
    return math.sqrt(accuracy * (1 - accuracy) / max(1, images))


@dataclass(frozen=True)
class ValidationRise:
    """Validation loss was lowest after epoch `lowest` and has risen to `recent`, the mean of the last epochs up to `last`."""

    lowest: Epoch
    last: Epoch
    recent: float


def find_validation_rise(epochs: list[Epoch]) -> ValidationRise | None:
    """Return a lasting rise of the validation loss during which training loss kept falling."""
    if len(epochs) <= RISE_EPOCHS:
        return None
    lowest, last = min(epochs, key=lambda epoch: epoch.val_loss), epochs[-1]
    since = [epoch.val_loss for epoch in epochs if epoch.epoch >= lowest.epoch]
    if len(since) <= RISE_EPOCHS:
        return None
    recent = mean(since[-RISE_EPOCHS:])
    rise, noise = recent - lowest.val_loss, stdev(np.diff(since).tolist()) / math.sqrt(2)
    is_lasting = rise > RISE_NOISE * noise and rise > RISE_NATS and recent > RISE * lowest.val_loss
    return ValidationRise(lowest, last, recent) if is_lasting and last.train_loss < FALL * lowest.train_loss else None
