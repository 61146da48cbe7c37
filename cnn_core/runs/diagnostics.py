"""The doctor: rules over a run's own numbers that say what is seen, quote the figures, and name the settings that may help.

In: a History and the settings in force. Out: findings; none for a healthy run. Each rule is a function of its own and says nothing
where the numbers do not carry it; how they measure is in `symptoms`, what they prescribe in `remedies`. Importing this module does not import torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import mean, stdev
from typing import Any

import numpy as np

from cnn_core.config.schema import TrainConfig
from cnn_core.data.library import IMBALANCE
from cnn_core.events import Epoch, Started
from cnn_core.runs import suggestions
from cnn_core.runs.history import History
from cnn_core.runs.signals import changed_at, find_leap, find_rise, find_spikes, guess_level, guess_margin, standard_error
from cnn_core.training.schedule import make_schedule

DIVERGED = "training diverged"  # what the sentence of a DivergedError says
ENOUGH_STEPS = 100  # after the warm-up; networks that learn at all have begun to by then
DEAD = 0.5  # of the channels: healthy SimpleCNNs on the digits have 25 to 40 %, those thrown about by their rate 70 to 93 %
DEAD_IMAGES = 50  # a channel that is silent for fewer images may only be a rare one
FLAT_EPOCHS = 5  # a mean of so many is compared with the mean of as many before
STILL_HIGH = 0.5  # of the peak: below that a schedule is on its way down
LEARNED_ALL = 0.99  # training accuracy at which a lower rate has nothing more to bring
WEAK_SHARE = 0.5  # of the others' accuracy
WEAK_SPREAD = 3  # times the spread of the others around their mean: otherwise classes simply differ
LAST_EPOCHS = 3  # the trend at the end is looked for among so many
TREND = 3  # times its noise: a rise of less may be chance
LOSS_SLACK = 1.02  # times the lowest validation loss: what still counts as not risen
MORE = 2  # times as many epochs
STEERED_CALMLY = ("epochs", "learning_rate", "weight_decay")  # may change without a leap of the loss by themselves


@dataclass(frozen=True)
class Finding:
    """What a rule has seen. `rule` is its name, `seen` and `remedy` are sentences, `changes` the settings that the remedy would change."""

    rule: str
    seen: str
    remedy: str
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DiagnosticCase:
    """A run as the rules look at it: its history, the settings in force, the sentence that it failed with ("" for none).

    `parent_epoch`: until then it is the history of another run, whose settings are not known here; 0 for a run of its own.
    """

    history: History
    config: TrainConfig
    error: str = ""
    parent_epoch: int = 0

    @property
    def started(self) -> Started | None:
        return self.history.started

    def changed_at(self, *beside: str) -> int:
        """The step after which the run's numbers can be compared: none but the settings `beside` was changed since."""
        own = [epoch.step for epoch in self.history.epochs if epoch.epoch <= self.parent_epoch]
        return max(changed_at(self.history, beside), *own[-1:], 0)

    def epochs_since_change(self, *beside: str) -> list[Epoch]:
        since = self.changed_at(*beside)
        return [epoch for epoch in self.history.epochs if epoch.step > since]


def diagnose(history: History, config: TrainConfig, error: str = "", parent_epoch: int | None = None) -> list[Finding]:
    """What stands out in a run, described as a Case is. Effects are left out where their cause is found."""
    case = DiagnosticCase(history, config, error, parent_epoch or 0)
    found = [finding for rule in RULES if (finding := rule(case))]
    names = {finding.rule for finding in found}
    return [
        replace(f, changes=suggestions.possible(config, f.changes)) for f in found if not names & EFFECT_OF.get(f.rule, set())
    ]


def diverged(case: DiagnosticCase) -> Finding | None:
    """The loss left the range of numbers."""
    if DIVERGED not in case.error:
        return None
    config, seen = case.config, f"{case.error.partition('. ')[0]}. The learning rate was {case.config.learning_rate:g}"
    if config.precision == "float16":
        return Finding(
            "Training diverged", f"{seen}, the precision float16.", "float32 has the wider range.", {"precision": "float32"}
        )
    return Finding("Training diverged", f"{seen}.", "Start again with a far lower one.", suggestions.far_lower_rate(config))


def rate_too_high(case: DiagnosticCase) -> Finding | None:
    """The loss rose above where it began, or lost most of what it had gained."""
    history, config = case.history, case.config
    leap = find_leap(history, config.batch_size, case.changed_at(*STEERED_CALMLY)) if history.losses else None
    if not leap:
        return None
    steps, rates = history.gauge("learning_rate")
    highest = float(rates[: np.searchsorted(steps, leap.high_step) + 1].max())
    if config.learning_rate < highest * STILL_HIGH:  # somebody has lowered it since
        return None
    return Finding(
        "Learning rate too high",
        f"Training loss rose from {_figure(leap.low)} around step {leap.low_step:,} to {_figure(leap.high)} around step {leap.high_step:,}, at a learning rate of up to {highest:.2g}.",
        "Steps that are too long throw the weights about; take shorter ones.",
        suggestions.lower_rate(config),
    )


def gradient_spikes(case: DiagnosticCase) -> Finding | None:
    """Single gradients threw the training back, and nothing shortens them."""
    spikes = find_spikes(case.history) if not case.config.clip_norm else None
    if not spikes:
        return None
    return Finding(
        "Gradient spikes",
        f"In {spikes.count} of {spikes.reports:,} reports the gradient was far longer than its median of {spikes.median:.2g}, at most {spikes.largest:.2g} at step {spikes.step:,}; {spikes.harmful} times the loss rose after it.",
        "Gradient clipping shortens such steps and leaves the others as they are.",
        {"clip_norm": max(0.01, suggestions.rounded(2 * spikes.median))},
    )


def not_learning(case: DiagnosticCase) -> Finding | None:
    """Validation and training accuracy are both where guessing is."""
    started, epochs, config = case.started, case.history.epochs, case.config
    guess = guess_level(started) if started else None
    if guess is None or not epochs:
        return None
    steps = epochs[-1].step - config.warmup * started.steps_per_epoch * started.epochs
    best, train = max(epoch.val_accuracy for epoch in epochs), epochs[-1].train_accuracy
    margin = guess_margin(guess, started.val_count)
    if steps < ENOUGH_STEPS or best > guess + margin or train > guess + guess_margin(guess, started.train_count):
        return None
    usual = suggestions.usual_rate(config)
    is_low = config.learning_rate * suggestions.FAR_OFF < usual
    return Finding(
        "Not learning",
        f"After {epochs[-1].step:,} steps validation accuracy has not been above {best:.1%} and training accuracy is {train:.1%}; guessing gives {guess:.1%}, give or take {100 * margin:.1f} points with {started.val_count:,} images.",
        f"The learning rate of {config.learning_rate:g} is far below the usual {usual:g}."
        if is_low
        else "Try a lower learning rate; if that changes nothing, look on the Data page whether the images carry the right labels.",
        {"learning_rate": usual} if is_low else suggestions.lower_rate(config),
    )


def overfitting(case: DiagnosticCase) -> Finding | None:
    """Validation loss has been rising since an epoch, training loss falling."""
    rise = find_rise(case.epochs_since_change(*STEERED_CALMLY))
    if not rise:
        return None
    low, last = rise.lowest, rise.last
    return Finding(
        "Overfitting",
        f"Since epoch {low.epoch} validation loss has risen from {low.val_loss:.3g} to {rise.recent:.3g} while training loss fell from {low.train_loss:.3g} to {last.train_loss:.3g}: the gap between them went from {low.val_loss - low.train_loss:.2g} to {rise.recent - last.train_loss:.2g} by epoch {last.epoch}.",
        "More varied images and more regularisation make memorising harder; more images are better still.",
        suggestions.regularise(case.config),
    )


def dead_activations(case: DiagnosticCase) -> Finding | None:
    """Many channels are zero whatever the network is shown."""
    last = case.history.epochs[-1] if case.history.epochs else None
    if not last or last.dead is None or last.dead < DEAD or not case.started or case.started.val_count < DEAD_IMAGES:
        return None
    other = suggestions.other_activation(case.config)
    return Finding(
        "Dead activations",
        f"After epoch {last.epoch} {last.dead:.0%} of the channels behind ReLU activations were zero for each of the {case.started.val_count:,} validation images.",
        "Leaky ReLU lets a little through below zero, so that a channel can come back."
        if other
        else "Shorter steps push fewer channels below zero for good.",
        other or suggestions.lower_rate(case.config),
    )


def plateau(case: DiagnosticCase) -> Finding | None:
    """Validation accuracy stands still at a learning rate that will not fall by itself."""
    epochs, started, config = case.epochs_since_change("epochs"), case.started, case.config
    if not started or len(epochs) < 2 * FLAT_EPOCHS or epochs[-1].train_accuracy >= LEARNED_ALL:
        return None
    before, now = (
        mean(e.val_accuracy for e in part) for part in (epochs[-2 * FLAT_EPOCHS : -FLAT_EPOCHS], epochs[-FLAT_EPOCHS:])
    )
    noise, rate = standard_error(now, started.val_count), case.history.last.learning_rate if case.history.last else 0.0
    at_the_end = make_schedule(config, started.steps_per_epoch)(config.epochs * started.steps_per_epoch - 1)
    if now - before > noise or min(rate, at_the_end) < STILL_HIGH * config.learning_rate:
        return None
    return Finding(
        "Plateau",
        f"Validation accuracy was {now:.1%} on average in epochs {epochs[-FLAT_EPOCHS].epoch} to {epochs[-1].epoch} and {before:.1%} in the {FLAT_EPOCHS} before; with {started.val_count:,} images {100 * noise:.1f} points are noise. The learning rate is still {rate:.2g}.",
        "A rate that falls towards the end lets the network settle.",
        {"schedule": "cosine"},
    )


def class_imbalance(case: DiagnosticCase) -> Finding | None:
    """One class has many times the training images of another."""
    counts = case.started.class_counts if case.started else ()
    if len(counts) < 2 or max(counts) <= IMBALANCE * min(counts):
        return None
    large, small, names = counts.index(max(counts)), counts.index(min(counts)), case.started.classes
    last = case.history.epochs[-1:]
    accuracy = last[0].class_accuracy[small] if last and last[0].class_accuracy else None
    known = f" Its validation accuracy is {accuracy:.1%}, that of all {last[0].val_accuracy:.1%}." if accuracy is not None else ""
    return Finding(
        "Class imbalance",
        f"The largest class, “{names[large]}”, has {counts[large]:,} training images, the smallest, “{names[small]}”, {counts[small]:,}.{known}",
        "Accuracy says little about small classes: add images to them, or leave some of the large ones out, on the Data page.",
    )


def weak_class(case: DiagnosticCase) -> Finding | None:
    """One class is recognised far less often than the others."""
    last, started = case.history.best, case.started
    known = [(a, c) for c, a in enumerate(last.class_accuracy) if a is not None] if last else []
    if len(known) < 3 or not started or 2 * len(case.history.epochs) < started.epochs or not sum(started.class_counts):
        return None
    (accuracy, weak), *others = sorted(known)
    average, spread = mean(a for a, _ in others), stdev(a for a, _ in others)
    images = max(1, round(started.val_count * started.class_counts[weak] / sum(started.class_counts)))
    if average - accuracy < max(WEAK_SPREAD * max(spread, standard_error(average, images)), WEAK_SHARE * average):
        return None
    return Finding(
        "Weak class",
        f"After epoch {last.epoch} “{started.classes[weak]}” is recognised in {accuracy:.1%} of about {images:,} validation images, the other classes in {average:.1%} on average.",
        "Look at its images and labels on the Data page, and on the Evaluate page at what it is taken for.",
    )


def still_improving(case: DiagnosticCase) -> Finding | None:
    """The run is done and was getting better to its last epoch."""
    epochs, config = case.history.epochs[-LAST_EPOCHS - 1 :], case.config
    if not case.history.finished or not case.started or len(epochs) < 2 or not epochs[-1].is_best:
        return None
    accuracies, first, last = [epoch.val_accuracy for epoch in epochs], epochs[0], epochs[-1]
    noise = standard_error(last.val_accuracy, case.started.val_count) * 2**0.5  # of a difference
    is_rising = accuracies == sorted(accuracies) and last.val_accuracy - first.val_accuracy > TREND * noise
    if not is_rising or last.val_loss > LOSS_SLACK * min(epoch.val_loss for epoch in case.history.epochs):
        return None
    more = min(1000, MORE * config.epochs)
    return Finding(
        "Still improving at the end",
        f"The last epoch, {last.epoch}, is the best one, and validation accuracy rose from {first.val_accuracy:.1%} to {last.val_accuracy:.1%} since epoch {first.epoch}; its noise with {case.started.val_count:,} images is {100 * noise:.1f} points.",
        "More epochs may bring more.",
        {"epochs": more} if more > config.epochs else {},
    )


def _figure(loss: float) -> str:
    return f"{loss:.3g}" if loss < 1000 else f"{loss:,.0f}"


RULES: tuple[Callable[[DiagnosticCase], Finding | None], ...] = (
    diverged,
    rate_too_high,
    gradient_spikes,
    not_learning,
    overfitting,
    dead_activations,
    plateau,
    class_imbalance,
    weak_class,
    still_improving,
)
# A finding is left out beside one of these, which explain it.
EFFECT_OF = {
    "Learning rate too high": {"Training diverged"},
    "Gradient spikes": {"Training diverged", "Learning rate too high"},
    "Not learning": {"Training diverged", "Learning rate too high"},
    "Dead activations": {"Training diverged", "Learning rate too high"},
    "Plateau": {"Not learning", "Overfitting", "Learning rate too high"},
}
