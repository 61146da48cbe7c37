"""Rules over the curves of the training itself: failed runs, the learning rate, gradients, overfitting, activations, plateau, the end.

In: a case. Out: a finding, or None where there is nothing to report or there are too few numbers. Importing this module does not import torch.
"""

import re
from statistics import mean

import numpy as np

from cnn_core.config import suggestions
from cnn_core.runs.finding import DiagnosticCase, Finding
from cnn_core.runs.signals import (
    chance_accuracy,
    chance_margin,
    find_loss_jump,
    find_spikes,
    find_validation_rise,
    standard_error,
    validation_chance,
)
from cnn_core.text import format_number
from cnn_core.training.schedule import make_schedule

DIVERGED = "training diverged"  # part of the message of a DivergedError
DOES_NOT_FIT = "does not fit into the memory"  # part of the message of an InsufficientMemoryError
# the names of the rules
TRAINING_DIVERGED = "Training diverged"
OUT_OF_MEMORY = "Out of memory"
RATE_TOO_HIGH = "Learning rate too high"
GRADIENT_SPIKES = "Gradient spikes"
NOT_LEARNING = "Not learning"
OVERFITTING = "Overfitting"
DEAD_ACTIVATIONS = "Dead activations"
PLATEAU = "Plateau"
STILL_IMPROVING = "Still improving at the end"
ENOUGH_STEPS = 100  # after the warm-up; models that learn at all have started to by then
# Fraction of the channels: healthy SimpleCNNs on the digits have 25 to 40%, those with a far too high learning rate 70 to 93%.
DEAD = 0.5
DEAD_IMAGES = 50  # a channel that is zero for fewer images may only be a rare one
FLAT_EPOCHS = 5  # the mean of this many epochs is compared with the mean of as many before
HIGH_FRACTION = 0.5  # of the peak learning rate: below that a schedule is decaying
SATURATED = 0.99  # training accuracy at which a lower learning rate cannot help
LAST_EPOCHS = 3  # over which the trend at the end is measured
TREND = 3  # times its standard error: a smaller rise may be chance
LOSS_SLACK = 1.02  # times the lowest validation loss: up to this it has not risen
SMOOTH_CHANGES = ("epochs", "learning_rate", "weight_decay")  # changing these does not make the loss jump by itself


def diverged(case: DiagnosticCase) -> Finding | None:
    """Report a loss that became infinite or NaN."""
    if DIVERGED not in case.error:
        return None
    config, observation = case.config, f"{case.error.partition('. ')[0]}. The learning rate was {case.config.learning_rate:g}"
    return Finding(
        TRAINING_DIVERGED,
        f"{observation}, the precision float16." if config.precision == "float16" else f"{observation}.",
        suggestions.divergence_remedy(config),
        suggestions.changes_after_divergence(config),
    )


def out_of_memory(case: DiagnosticCase) -> Finding | None:
    """Report a batch that did not fit into the memory."""
    if DOES_NOT_FIT not in case.error:
        return None
    fits = re.search(r" (\d+)\.$", case.error)
    size = int(fits[1]) if fits else 0
    observation = f"{case.error.partition('. ')[0]}."
    return Finding(OUT_OF_MEMORY, observation, suggestions.memory_remedy(size), suggestions.smaller_batch_for_memory(size))


def learning_rate_too_high(case: DiagnosticCase) -> Finding | None:
    """Report a loss that rose above its first values, or lost most of its improvement."""
    history, config = case.history, case.config
    jump = find_loss_jump(history, config.batch_size, case.comparable_since(*SMOOTH_CHANGES)) if history.losses else None
    if not jump:
        return None
    steps, learning_rates = history.report_values("learning_rate")
    highest = float(learning_rates[: np.searchsorted(steps, jump.high_step) + 1].max())
    if config.learning_rate < highest * HIGH_FRACTION:  # it has been lowered since then
        return None
    return Finding(
        RATE_TOO_HIGH,
        f"Training loss rose from {format_number(jump.low)} around step {jump.low_step:,} to {format_number(jump.high)} around step {jump.high_step:,}, at a learning rate of up to {highest:.2g}.",
        "Steps this long overshoot. Lower the learning rate.",
        suggestions.lower_learning_rate(config),
    )


def gradient_spikes(case: DiagnosticCase) -> Finding | None:
    """Report single large gradients after which the loss rose, where gradient clipping is off."""
    spikes = find_spikes(case.history) if not case.config.clip_norm else None
    if not spikes:
        return None
    return Finding(
        GRADIENT_SPIKES,
        f"In {spikes.count} of {spikes.reports:,} reports the gradient norm was far above its median of {format_number(spikes.median, 2)} (at most {format_number(spikes.largest, 2)}, at step {spikes.step:,}). After {spikes.harmful} of them the loss rose.",
        "Turn on gradient clipping: it shortens such steps and leaves the others unchanged.",
        suggestions.clip_gradients(spikes.median),
    )


def not_learning(case: DiagnosticCase) -> Finding | None:
    """Report validation and training accuracy that are both at chance level."""
    started, epochs, config = case.started, case.history.epochs, case.config
    chance, val_chance = (chance_accuracy(started), validation_chance(started)) if started else (None, None)
    if not started or chance is None or val_chance is None or not epochs:
        return None
    best, train = max(epoch.val_accuracy for epoch in epochs), epochs[-1].train_accuracy
    margin = chance_margin(val_chance, started.val_count)
    if (
        case.steps_after_warmup < ENOUGH_STEPS
        or best > val_chance + margin
        or train > chance + chance_margin(chance, started.train_count)
    ):
        return None
    default = suggestions.default_learning_rate(config)
    return Finding(
        NOT_LEARNING,
        f"After {epochs[-1].step:,} steps validation accuracy has not been above {best:.1%} and training accuracy is {train:.1%}; chance level is {val_chance:.1%} (± {100 * margin:.1f} points with {started.val_count:,} images).",
        f"The learning rate of {config.learning_rate:g} is far below the default of {default:g}. Raise it."
        if suggestions.is_rate_low(config)
        else "Try a lower learning rate. If that does not help, check the labels of the images on the Data page.",
        suggestions.learning_rate_after_chance(config),
    )


def overfitting(case: DiagnosticCase) -> Finding | None:
    """Report a validation loss that has risen since an epoch while training loss fell."""
    rise = find_validation_rise(case.epochs_since_change(*SMOOTH_CHANGES))
    if not rise:
        return None
    low, last = rise.lowest, rise.last
    return Finding(
        OVERFITTING,
        f"Since epoch {low.epoch} validation loss has risen from {format_number(low.val_loss)} to {format_number(rise.recent)} while training loss fell from {format_number(low.train_loss)} to {format_number(last.train_loss)}: the gap grew from {format_number(low.val_loss - low.train_loss, 2)} to {format_number(rise.recent - last.train_loss, 2)} by epoch {last.epoch}.",
        suggestions.remedy_for_overfitting(case.config),
        suggestions.more_regularisation(case.config),
    )


def dead_activations(case: DiagnosticCase) -> Finding | None:
    """Report many channels that are zero for every image."""
    last = case.history.epochs[-1] if case.history.epochs else None
    if not last or last.dead is None or last.dead < DEAD or not case.started or case.started.val_count < DEAD_IMAGES:
        return None
    other = suggestions.other_activation(case.config)
    return Finding(
        DEAD_ACTIVATIONS,
        f"After epoch {last.epoch} {last.dead:.0%} of the channels behind ReLU activations were zero for each of the {case.started.val_count:,} validation images.",
        "Use leaky ReLU: its gradient is not zero below zero, so a channel can recover."
        if other
        else "Lower the learning rate: shorter steps leave fewer channels at zero.",
        other or suggestions.lower_learning_rate(case.config),
    )


def plateau(case: DiagnosticCase) -> Finding | None:
    """Report a validation accuracy that no longer improves, where the schedule does not lower the learning rate."""
    epochs, started, config = case.epochs_since_change("epochs"), case.started, case.config
    if not started or len(epochs) < 2 * FLAT_EPOCHS or epochs[-1].train_accuracy >= SATURATED:
        return None
    before, now = (
        mean(e.val_accuracy for e in window) for window in (epochs[-2 * FLAT_EPOCHS : -FLAT_EPOCHS], epochs[-FLAT_EPOCHS:])
    )
    noise, learning_rate = standard_error(now, started.val_count), case.history.last.learning_rate if case.history.last else 0.0
    final_learning_rate = make_schedule(config, started.steps_per_epoch)(config.epochs * started.steps_per_epoch - 1)
    if now - before > noise or min(learning_rate, final_learning_rate) < HIGH_FRACTION * config.learning_rate:
        return None
    return Finding(
        PLATEAU,
        f"Validation accuracy was {now:.1%} on average in epochs {epochs[-FLAT_EPOCHS].epoch} to {epochs[-1].epoch} and {before:.1%} in the {FLAT_EPOCHS} before; the standard error with {started.val_count:,} images is {100 * noise:.1f} points. The learning rate is still {learning_rate:.2g}.",
        "Use a schedule that lowers the learning rate towards the end.",
        suggestions.falling_schedule(),
    )


def still_improving(case: DiagnosticCase) -> Finding | None:
    """Report a completed run that improved until its last epoch."""
    epochs = case.history.epochs[-LAST_EPOCHS - 1 :]
    if not case.history.finished or not case.started or len(epochs) < 2 or not epochs[-1].is_best:
        return None
    accuracies, first, last = [epoch.val_accuracy for epoch in epochs], epochs[0], epochs[-1]
    noise = standard_error(last.val_accuracy, case.started.val_count) * 2**0.5  # of a difference
    is_rising = accuracies == sorted(accuracies) and last.val_accuracy - first.val_accuracy > TREND * noise
    if not is_rising or last.val_loss > LOSS_SLACK * min(epoch.val_loss for epoch in case.history.epochs):
        return None
    return Finding(
        STILL_IMPROVING,
        f"The last epoch, {last.epoch}, is the best one, and validation accuracy rose from {first.val_accuracy:.1%} to {last.val_accuracy:.1%} since epoch {first.epoch}; the standard error of that rise with {case.started.val_count:,} images is {100 * noise:.1f} points.",
        "Train for more epochs.",
        suggestions.more_epochs(case.config),
    )
