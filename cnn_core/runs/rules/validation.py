"""Rules over what was validated: one class for all images, no better than guessing, too few images to judge, batch norms, the test images.

In: a case. Out: a finding, or None where there is nothing to report or where chance explains it. Importing this module does not import torch.
"""

from dataclasses import dataclass
from math import sqrt

from cnn_core.config import suggestions
from cnn_core.config.recommendation import is_from_scratch, pretrained_settings
from cnn_core.config.schema import TrainConfig
from cnn_core.events import Epoch, Started
from cnn_core.models.registry import has_batch_norm
from cnn_core.runs.finding import DiagnosticCase, Finding
from cnn_core.runs.rules.training import ENOUGH_STEPS
from cnn_core.runs.signals import (
    SIGMAS,
    accuracy_interval,
    chance_accuracy,
    find_validation_rise,
    guessing_loss,
    largest_class,
    only_class_predicted,
    validation_chance,
)
from cnn_core.text import counted, format_number

BATCH_NORM_NOT_SETTLED = "Batch norm not settled"
BATCH_NORM_ESTIMATED = "Batch norm estimated"
ONE_CLASS = "One class predicted"
NO_BETTER = "No better than guessing"
FEW_FOR_SCRATCH = "Too few images to train from scratch"
GUESSING_LOSS = "Loss at the guessing level"
TOO_FEW_IMAGES = "Validation set too small"
TEST_GAP = "Validation and test differ"
WIDEST = 0.25  # of the 95% interval of the validation accuracy: with a wider one hardly any difference can be seen
NEAR_GUESSING = 0.97  # times the loss of guessing
LEARNED_MORE = 0.15  # by which training accuracy exceeds the best validation accuracy where a model overfits
TEST_SIGMAS = 2.58  # standard errors of a difference that chance exceeds in one of 100 cases
LAST = 2  # epochs that must agree
FEW_A_CLASS = 1000  # training images; with more, a network trained from scratch that only guesses has another fault

MORE_STEPS = "Training accuracy is {train:.1%}: the model has learned little so far. Give it more steps."
GENERALISE = "Training accuracy is {train:.1%}: what the model has learned holds for its training images only. Use more {means}, or more training images."
CANNOT_TELL = "So few images cannot tell whether the model is better than that."
IS_NOT_BETTER = "The model is not better than that."
AT_GUESSING = (
    "The best validation accuracy is {best:.1%}; with {images} its 95% interval is {low:.1%} to {high:.1%}. Always predicting the largest class, “{label}”, "
    "gives {chance:.1%}. {verdict}"
)
START_PRETRAINED = "The network was trained from scratch on {count:,.0f} images a class, which is seldom enough. Start from pretrained weights and train only the head."
PRETRAINED_SUMMARY = "a pretrained network"


def batch_norm_not_settled(case: DiagnosticCase) -> Finding | None:
    """Report a run of an earlier version whose batch norms were validated with statistics that had not settled."""
    judged = _judge(case)
    if not judged or judged.last.predicted or judged.last.step > ENOUGH_STEPS:  # later versions settle them
        return None
    if not has_batch_norm(case.config.model, case.config.batch_norm, case.config.timm_name):
        return None
    chance, label = chance_accuracy(judged.started), _class_of_last_epochs(case)
    if label is None or not chance or accuracy_interval(judged.last.train_accuracy, judged.started.train_count)[0] <= chance:
        return None
    return Finding(
        BATCH_NORM_NOT_SETTLED,
        f"Training accuracy is {judged.last.train_accuracy:.1%}, but all {judged.started.val_count:,} validation images are predicted as “{judged.started.classes[label]}” (accuracy {judged.last.val_accuracy:.1%}). After {judged.last.step:,} steps the running statistics of the batch norms are still close to their initial values.",
        "Train the model again: such statistics are now estimated on training images. A smaller batch size gives more steps, after which they settle.",
        suggestions.more_steps(case.config),
    )


def one_class_predicted(case: DiagnosticCase) -> Finding | None:
    """Report a model that predicts the same class for every validation image."""
    judged, label = _judge(case), _class_of_last_epochs(case)
    if not judged or label is None:
        return None
    started, last = judged.started, judged.last
    has_few_steps = last.step < ENOUGH_STEPS
    return Finding(
        ONE_CLASS,
        f"After epoch {last.epoch} all {started.val_count:,} validation images are predicted as “{started.classes[label]}”. The validation accuracy of {last.val_accuracy:.1%} is only the fraction of the images that belong to this class.",
        f"After {last.step:,} steps the model does not tell the classes apart yet. Give it more steps."
        if has_few_steps
        else _rate_remedy(case.config),
        suggestions.more_steps(case.config) if has_few_steps else suggestions.learning_rate_after_chance(case.config),
    )


def too_few_images_for_scratch(case: DiagnosticCase) -> Finding | None:
    """Report a network that was trained from scratch on few images and only guesses, where a pretrained one is recommended for the data set."""
    judged, observation = _judge(case), _at_guessing(case)
    counts = judged.started.class_counts if judged else ()
    if not judged or not observation or not case.suits_pretrained or not is_from_scratch(case.config) or not sum(counts):
        return None
    count = sum(counts) / len(counts)
    if count >= FEW_A_CLASS:
        return None
    return Finding(
        FEW_FOR_SCRATCH, observation, START_PRETRAINED.format(count=count), pretrained_settings(case.config), PRETRAINED_SUMMARY
    )


def no_better_than_guessing(case: DiagnosticCase) -> Finding | None:
    """Report a validation accuracy whose interval contains that of always predicting the largest class."""
    judged, observation = _judge(case), _at_guessing(case)
    if not judged or not observation:
        return None
    train = judged.last.train_accuracy
    is_overfitted = train - judged.best > LEARNED_MORE or find_validation_rise(case.history.epochs) is not None
    return Finding(
        NO_BETTER,
        observation,
        (GENERALISE if is_overfitted else MORE_STEPS).format(train=train, means=_means(case.config)),
        suggestions.more_regularisation(case.config) if is_overfitted else suggestions.more_steps(case.config),
    )


def _means(config: TrainConfig) -> str:
    """Return what helps against overfitting: a head that learns on features sees no augmented images."""
    return "regularisation" if config.learns_on_features else "augmentation or regularisation"


def _at_guessing(case: DiagnosticCase) -> str:
    """Return the observation that the best validation accuracy is that of always predicting the largest class; "" where it is better."""
    judged = _judge(case)
    chance = validation_chance(judged.started) if judged else None
    if not judged or chance is None or chance == 1:  # validation images of one class only
        return ""
    started, best = judged.started, judged.best
    low, high = accuracy_interval(best, started.val_count)
    if low > chance:
        return ""
    return AT_GUESSING.format(
        best=best,
        images=counted(started.val_count, "image"),
        low=low,
        high=high,
        label=largest_class(started),
        chance=chance,
        verdict=CANNOT_TELL if best > chance else IS_NOT_BETTER,
    )


def loss_at_guessing_level(case: DiagnosticCase) -> Finding | None:
    """Report a validation loss that has never been below that of guessing."""
    judged = _judge(case)
    guess = guessing_loss(judged.started) if judged else None
    if not judged or not guess:
        return None
    lowest, last = min(epoch.val_loss for epoch in case.history.epochs), judged.last
    if lowest < NEAR_GUESSING * guess:
        return None
    is_overfitted = last.train_loss < NEAR_GUESSING * guess
    return Finding(
        GUESSING_LOSS,
        f"The lowest validation loss is {format_number(lowest)}; predicting the fractions of the classes for every image gives {format_number(guess)}. The predicted classes are better than a guess, their probabilities are not.",
        (GENERALISE if is_overfitted else MORE_STEPS).format(train=last.train_accuracy, means=_means(case.config)),
        suggestions.more_regularisation(case.config) if is_overfitted else suggestions.more_steps(case.config),
    )


def too_few_validation_images(case: DiagnosticCase) -> Finding | None:
    """Report a validation set with which hardly any difference can be seen."""
    started, best = case.started, case.history.best
    if not started or not best:
        return None
    low, high = accuracy_interval(best.val_accuracy, started.val_count)
    if high - low <= WIDEST:
        return None
    is_drawn = _is_drawn(started, case.config)
    return Finding(
        TOO_FEW_IMAGES,
        f"The best validation accuracy is {best.val_accuracy:.1%}; with only {started.val_count:,} validation images its 95% interval is {low:.0%} to {high:.0%}. Smaller differences between epochs or runs are chance.",
        "Use more of the training images for validation, or add images." if is_drawn else "Add validation images.",
        suggestions.larger_validation_share(case.config) if is_drawn else {},
    )


def validation_test_gap(case: DiagnosticCase) -> Finding | None:
    """Report a test accuracy that differs from the validation accuracy by more than chance, once the model was evaluated on the test images."""
    started, best, test = case.started, case.history.best, case.test_accuracy
    if not started or not best or test is None or not started.val_count or not started.test_count:
        return None
    val, counts = best.val_accuracy, (started.val_count, started.test_count)
    pooled = (val * counts[0] + test * counts[1]) / sum(counts)
    noise = sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1]))
    # The best epoch was chosen by its validation accuracy, which is a little too high for that reason alone.
    if abs(val - test) <= (SIGMAS if val > test else TEST_SIGMAS) * noise:
        return None
    return Finding(
        TEST_GAP,
        f"Validation accuracy is {val:.1%} on {counts[0]:,} images, test accuracy {test:.1%} on {counts[1]:,}. Chance explains a difference of {100 * TEST_SIGMAS * noise:.1f} points.",
        "The two sets contain different kinds of images. Compare them on the Data page and draw both from the same source."
        if test > val
        else "The validation images are easier for this model than new ones. Check on the Data page that no image, or nearly the same image, is also among the training images, and that both sets come from the same source.",
    )


def batch_norm_estimated(case: DiagnosticCase) -> Finding | None:
    """Report that validation and the saved model use estimated batch-norm statistics, because the run had few steps."""
    last = case.history.epochs[-1] if case.history.epochs else None
    if not last or last.is_settled or not case.history.finished:
        return None
    return Finding(
        BATCH_NORM_ESTIMATED,
        f"After {last.step:,} steps the running statistics of the batch norms had not settled. The model was validated and saved with statistics estimated on training images instead.",
        "With more steps they settle by themselves.",
        suggestions.more_steps(case.config),
    )


@dataclass(frozen=True)
class _Judged:
    """The facts of a run that has trained long enough to be judged; `best`: its best validation accuracy."""

    started: Started
    last: Epoch
    best: float


def _judge(case: DiagnosticCase) -> _Judged | None:
    """Return the facts of a run that is completed, or has had enough or most of its steps after the warm-up; None for another one."""
    started, epochs = case.started, case.history.epochs
    if not started or not epochs or not started.val_count or len(started.classes) < 2:
        return None
    steps, planned = case.steps_after_warmup, started.steps_per_epoch * started.epochs
    has_most = len(epochs) >= LAST and 2 * steps > planned - case.config.warmup * planned
    is_late = bool(case.history.finished) or steps >= ENOUGH_STEPS or has_most
    return _Judged(started, epochs[-1], max(epoch.val_accuracy for epoch in epochs)) if is_late else None


def _class_of_last_epochs(case: DiagnosticCase) -> int | None:
    """Return the one class that was predicted in the last epochs, of validation images of several classes."""
    started, epochs = case.started, case.history.epochs[-LAST:]
    if not started or not epochs or sum(map(bool, started.val_class_counts)) == 1:
        return None
    labels = {only_class_predicted(epoch) for epoch in epochs}
    return labels.pop() if len(labels) == 1 else None


def _is_drawn(started: Started, config: TrainConfig) -> bool:
    """Whether the validation images were drawn from the training images: their number is that of the setting, up to one a class."""
    drawn = config.validation_share * (started.train_count + started.val_count)
    return abs(started.val_count - drawn) <= max(1, len(started.classes))


def _rate_remedy(config: TrainConfig) -> str:
    return "Raise the learning rate." if suggestions.is_rate_low(config) else "Try a lower learning rate."
