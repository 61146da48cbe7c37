"""Diagnostics: rules over a run's curves that report a problem with its numbers and suggest settings that may help.

In: a history and the current settings. Out: findings, the strongest first; none for a healthy run. Each rule is one function of `rules` and
reports nothing where there are too few numbers or where chance explains them. What the rules measure is in `signals`, what they suggest in
`config.suggestions`. Importing this module does not import torch.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cnn_core.config import suggestions
from cnn_core.config.recommendation import recommend_for_imported
from cnn_core.config.schema import TrainConfig
from cnn_core.runs.final_accuracy import known_test_accuracy
from cnn_core.runs.finding import DiagnosticCase, Finding
from cnn_core.runs.history import History
from cnn_core.runs.rules import classes, training, validation
from cnn_core.runs.rules.classes import WEAK_CLASS
from cnn_core.runs.rules.training import (
    DEAD_ACTIVATIONS,
    GRADIENT_SPIKES,
    NOT_LEARNING,
    OUT_OF_MEMORY,
    OVERFITTING,
    PLATEAU,
    RATE_TOO_HIGH,
    STILL_IMPROVING,
    TRAINING_DIVERGED,
)
from cnn_core.runs.rules.validation import (
    BATCH_NORM_ESTIMATED,
    BATCH_NORM_NOT_SETTLED,
    FEW_FOR_SCRATCH,
    GUESSING_LOSS,
    NO_BETTER,
    ONE_CLASS,
    TOO_FEW_IMAGES,
)
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

# from the strongest to the weakest
RULES: tuple[Callable[[DiagnosticCase], Finding | None], ...] = (
    training.out_of_memory,
    training.diverged,
    training.learning_rate_too_high,
    validation.too_few_images_for_scratch,
    validation.batch_norm_not_settled,
    validation.one_class_predicted,
    training.not_learning,
    validation.too_few_validation_images,
    validation.no_better_than_guessing,
    validation.validation_test_gap,
    training.gradient_spikes,
    training.overfitting,
    validation.loss_at_guessing_level,
    training.dead_activations,
    training.plateau,
    classes.class_imbalance,
    classes.weak_class,
    training.still_improving,
    validation.batch_norm_estimated,
)
_FAILED = {TRAINING_DIVERGED, OUT_OF_MEMORY, RATE_TOO_HIGH}
_NOTHING_LEARNED = _FAILED | {FEW_FOR_SCRATCH, BATCH_NORM_NOT_SETTLED, ONE_CLASS, NOT_LEARNING}
AT_CHANCE = {FEW_FOR_SCRATCH, NO_BETTER, ONE_CLASS, NOT_LEARNING}  # what says that the model only guesses
_NOTHING_SHOWN = _NOTHING_LEARNED | {NO_BETTER, TOO_FEW_IMAGES}
# A finding is left out where one of these is reported: a possible cause of it, or one that says the same with a better change.
EFFECT_OF = {
    RATE_TOO_HIGH: {TRAINING_DIVERGED},
    GRADIENT_SPIKES: {TRAINING_DIVERGED, RATE_TOO_HIGH},
    FEW_FOR_SCRATCH: _FAILED,
    ONE_CLASS: _FAILED | {FEW_FOR_SCRATCH, BATCH_NORM_NOT_SETTLED},
    NOT_LEARNING: _FAILED | {FEW_FOR_SCRATCH, BATCH_NORM_NOT_SETTLED, ONE_CLASS},
    TOO_FEW_IMAGES: _FAILED,
    NO_BETTER: _NOTHING_LEARNED | {TOO_FEW_IMAGES},
    OVERFITTING: {FEW_FOR_SCRATCH, NO_BETTER, ONE_CLASS},
    GUESSING_LOSS: _NOTHING_SHOWN | {OVERFITTING},
    DEAD_ACTIVATIONS: {TRAINING_DIVERGED, RATE_TOO_HIGH},
    PLATEAU: _NOTHING_SHOWN | {OVERFITTING},
    WEAK_CLASS: _NOTHING_SHOWN,
    STILL_IMPROVING: _NOTHING_SHOWN,
    BATCH_NORM_ESTIMATED: _NOTHING_SHOWN,
}


def diagnose_run(store: Store, run: Run, history: History) -> list[Finding]:
    """Return the findings of a run, as `diagnose` does, from its history and what the studio home knows about it and its data set."""
    config, recommended = store.config_in_force(run.id), recommend_for_imported(run.config.data, store.home)
    return diagnose(
        history,
        config,
        run.error,
        run.parent_epoch,
        known_test_accuracy(store, run),
        suits_pretrained=recommended is not None and recommended.is_pretrained,
    )


def diagnose(
    history: History,
    config: TrainConfig,
    error: str = "",
    parent_epoch: int | None = None,
    test_accuracy: float | None = None,
    *,
    suits_pretrained: bool = False,
) -> list[Finding]:
    """Return the findings of a run, the strongest first (arguments as in DiagnosticCase). One is left out where its cause is reported too."""
    case = DiagnosticCase(history, config, error, parent_epoch or 0, test_accuracy, suits_pretrained)
    findings = [finding for rule in RULES if (finding := rule(case))]
    reported = {finding.rule for finding in findings}
    return [replace(f, changes=_applicable(config, f)) for f in findings if not reported & EFFECT_OF.get(f.rule, set())]


def _applicable(config: TrainConfig, finding: Finding) -> dict[str, Any]:
    """Return the changes that have an effect; all of them where they are a recipe, whose other settings have one once a person chooses so."""
    applicable = suggestions.applicable_changes(config, finding.changes)
    return finding.changes if applicable and finding.summary else applicable
