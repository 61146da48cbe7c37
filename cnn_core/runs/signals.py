"""What the doctor's rules measure in a run: leaps of the loss, spikes of the gradient, the level of guessing, the noise of an accuracy.

In: a History. Out: small frozen values, or None where there is nothing to be seen or not yet enough to see it by. Knows no remedy.
Importing this module does not import torch.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from statistics import mean, median, stdev

import numpy as np

from cnn_core.events import Epoch, Started
from cnn_core.runs.history import History

WINDOW_STEPS = 20  # one odd batch does not move a median of so many
WINDOW_IMAGES = 320  # and small batches are noisy: so many images are behind a median at least
LEAP_ABOVE_START = 2.0  # times what an untrained network has: no batch is that hard, so the weights were thrown about
EXPLOSION, EXPLOSIONS = 10.0, 3  # times that loss in so many single steps: then no window is needed to see it
LEAP_OF_LEARNED = 0.5  # of what had been learned is lost again
LEARNED = 0.3  # of the first loss; before so much is learned, a rise is mostly noise
SPIKE = 10  # times the median of the gradient's length; within one run it seldom varies by more than three
SPIKES = 3  # one may be a strange batch
SPIKE_REPORTS = 20  # a median of fewer says little
SETBACK, SETBACK_OF_START = 0.25, 0.1  # a spike did harm where the loss rose by this share, and by this share of the first loss
SIGMAS = 3  # a guesser's accuracy is further off than this many standard errors in one of 740 cases
GUESS_SLACK = 0.03  # of the way from guessing to perfect: an untrained network may by accident be so good
RISE_EPOCHS = 3  # since the minimum, and the number of epochs that the rise is a mean of
RISE = 1.1  # times the minimum; a lucky minimum is exceeded by a few per cent at once
RISE_NATS = 0.02  # on a loss near zero ten per cent is nothing
RISE_NOISE = 2  # times the scatter from epoch to epoch
FALL = 0.95  # what training loss must have fallen to meanwhile


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


def last_change_step(history: History, beside: Collection[str]) -> int:
    """The last step after which a setting that is not among `beside` was changed; what lies on both sides cannot be compared. 0: none was."""
    return max((change.step for change in history.changes if not set(change.settings) <= set(beside)), default=0)


def first_loss(history: History) -> float:
    """What the loss was before anything was learned or leapt; at least what guessing costs, for a network that begins with good weights."""
    guessing = math.log(max(2, len(history.started.classes))) if history.started else 0.0
    return max(guessing, min(history.first_losses))


def find_loss_jump(history: History, batch_size: int, since: int = 0) -> LossJump | None:
    """The highest rise of the training loss that is far beyond its noise, after step `since`, among the steps that a history keeps."""
    since = max(since, history.ruled_after)
    return _find_explosion(history, since) or _find_rise_of_windows(history, batch_size, since)


def _losses_after(history: History, since: int) -> np.ndarray:
    return np.asarray(history.losses)[since - history.ruled_after :]  # a view: a long run has many


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
    start, found = first_loss(history), None
    low, low_step = start, since + 1
    for end, level in zip(ends, levels, strict=True):
        step = since + end - size // 2
        has_lost = start - low >= LEARNED * start and level - low >= LEAP_OF_LEARNED * (start - low)
        if (level >= LEAP_ABOVE_START * start or has_lost) and (found is None or level > found.high):
            found = LossJump(low, low_step, level, step)
        if level < low:
            low, low_step = level, step
    return found


def find_spikes(history: History) -> GradientSpikes | None:
    """Gradients far longer than usual, some of which threw the training back."""
    steps, norms = history.gauge("gradient_norm")
    steps, norms = steps[~np.isnan(norms)], norms[~np.isnan(norms)]
    if len(norms) < SPIKE_REPORTS:
        return None
    usual = float(np.median(norms))
    spikes = np.flatnonzero(norms > SPIKE * usual) if usual > 0 else []
    harmful = sum(_does_harm(history, int(steps[at])) for at in spikes)
    if harmful < SPIKES:
        return None
    largest = int(norms.argmax())
    return GradientSpikes(len(spikes), harmful, len(norms), usual, float(norms[largest]), int(steps[largest]))


def _does_harm(history: History, step: int) -> bool:
    at = step - history.ruled_after
    before, after = history.losses[max(0, at - WINDOW_STEPS) : at], history.losses[at : at + WINDOW_STEPS]
    if not before or len(after) < WINDOW_STEPS // 2:
        return False
    rise = median(after) - median(before)
    return rise > SETBACK * median(before) and rise > SETBACK_OF_START * first_loss(history)


def chance_accuracy(started: Started) -> float | None:
    """The accuracy of always saying the largest class; None where the classes are not known."""
    if sum(started.class_counts):
        return max(started.class_counts) / sum(started.class_counts)
    return 1 / len(started.classes) if started.classes else None


def chance_margin(guess: float, images: int) -> float:
    """How far above `guess` an accuracy of so many images may be without anything learned."""
    return max(SIGMAS * standard_error(guess, images), GUESS_SLACK * (1 - guess))


def standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy (0..1) that was measured on so many images."""
    return math.sqrt(accuracy * (1 - accuracy) / max(1, images))


@dataclass(frozen=True)
class ValidationRise:
    """Validation loss was lowest after epoch `lowest`, and has risen to `recent`, a mean of the last epochs up to `last`."""

    lowest: Epoch
    last: Epoch
    recent: float


def find_validation_rise(epochs: list[Epoch]) -> ValidationRise | None:
    """A lasting rise of the validation loss while training loss went on falling."""
    if len(epochs) <= RISE_EPOCHS:
        return None
    lowest, last = min(epochs, key=lambda epoch: epoch.val_loss), epochs[-1]
    since = [epoch.val_loss for epoch in epochs if epoch.epoch >= lowest.epoch]
    if len(since) <= RISE_EPOCHS:
        return None
    recent = mean(since[-RISE_EPOCHS:])
    rise, scatter = recent - lowest.val_loss, stdev(np.diff(since).tolist()) / math.sqrt(2)
    is_lasting = rise > RISE_NOISE * scatter and rise > RISE_NATS and recent > RISE * lowest.val_loss
    return ValidationRise(lowest, last, recent) if is_lasting and last.train_loss < FALL * lowest.train_loss else None
