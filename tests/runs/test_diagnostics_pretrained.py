"""Diagnostics of a network trained from scratch on few photographs: a run that only guesses is told so, why, and how to start from pretrained weights."""

from typing import Any

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import PRETRAINED, pretrained_settings
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import with_changes
from cnn_core.events import Epoch, Started
from cnn_core.models.registry import FAMILIES
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.finding import Finding
from cnn_core.runs.rules.validation import (
    BATCH_NORM_ESTIMATED,
    CANNOT_TELL,
    FEW_FOR_SCRATCH,
    NO_BETTER,
    ONE_CLASS,
    START_PRETRAINED,
    TOO_FEW_IMAGES,
)
from tests.helpers import is_a_sentence, tells
from tests.runs.diagnostic_histories import history_of

SCRATCH = make_config(data="own", epochs=20)


def found(
    accuracies: list[float],
    config: TrainConfig = SCRATCH,
    val: tuple[int, ...] = (70, 83),
    train: tuple[int, ...] = (122, 123),
    **more: Any,
) -> list[Finding]:
    """The findings of a run that is over its planned epochs; val and train: images of ants and of bees."""
    started = Started(1000, "CPU", sum(train), sum(val), 49, 4, len(accuracies), 0, ("ants", "bees"), train, val)
    suits = more.pop("suits_pretrained", True)
    made = [Epoch(at, 4 * at, 0.6, 0.6, 0.69, accuracy, True, 1, 1, **more) for at, accuracy in enumerate(accuracies, 1)]
    return diagnose(history_of(started, *made), config, suits_pretrained=suits)


def names(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def test_a_run_near_the_majority_share_is_told_so_with_the_reason_and_the_settings_of_the_pretrained_network():
    first = found([0.52, 0.562])[0]
    assert first.rule == FEW_FOR_SCRATCH
    assert tells(first.observation, "56.2%", "153", "“bees”", "54.2%") and CANNOT_TELL in first.observation
    assert first.remedy == START_PRETRAINED.format(count=122.5) and tells(first.remedy, "122")
    assert is_a_sentence(first.observation) and is_a_sentence(first.remedy)
    changed, own = with_changes(SCRATCH, first.changes), FAMILIES[PRETRAINED].defaults
    assert (changed.model, changed.weights, changed.train) == (PRETRAINED, "pretrained", "head")
    assert (changed.head_epochs, changed.fine_tuning_rate) == (own["head_epochs"], own["fine_tuning_rate"]), (
        "for a person who trains all layers instead"
    )
    assert changed == with_changes(SCRATCH, pretrained_settings(SCRATCH))


@pytest.mark.parametrize("predicted", [(0, 153), (1, 152)])
def test_it_replaces_weaker_advice_about_the_same_run(predicted: tuple[int, int]):
    rules = names(found([0.542, 0.542], predicted=predicted, is_settled=False))
    assert FEW_FOR_SCRATCH in rules and not {NO_BETTER, ONE_CLASS, BATCH_NORM_ESTIMATED} & set(rules)


def test_few_validation_images_do_not_hide_it():
    assert names(found([0.5, 0.6], val=(5, 5), train=(25, 25)))[:1] == [FEW_FOR_SCRATCH]
    assert TOO_FEW_IMAGES in names(found([0.5, 0.6], val=(5, 5), train=(25, 25)))


def test_other_runs_are_not_told_so():
    assert FEW_FOR_SCRATCH not in names(found([0.6, 0.75])), "better than guessing"
    assert names(found([0.52, 0.562], suits_pretrained=False))[0] == NO_BETTER, "small images"
    assert names(found([0.52, 0.562], make_config(data="own", model=PRETRAINED)))[0] == NO_BETTER, "pretrained already"
    assert FEW_FOR_SCRATCH in names(found([0.52, 0.562], make_config(data="own", model=PRETRAINED, weights="scratch")))
    many = found([0.52, 0.53], val=(500, 500), train=(5000, 5000))
    assert FEW_FOR_SCRATCH not in names(many), "many images have another fault"
