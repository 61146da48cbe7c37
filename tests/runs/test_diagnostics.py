"""Diagnostics: each rule reports its problem with the numbers of the run, and reports nothing for a similar healthy run."""

import re
from typing import Any

import numpy as np
import pytest

from cnn_core.config.changes import change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import LOWER_RATE, changes_after_divergence, describe_changes, divergence_remedy
from cnn_core.events import Changed, Event, Finished
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.history import History
from cnn_core.runs.rules.training import GRADIENT_SPIKES, NOT_LEARNING, OVERFITTING, RATE_TOO_HIGH, TRAINING_DIVERGED
from cnn_core.runs.rules.validation import GUESSING_LOSS, NO_BETTER
from cnn_core.runs.signals import chance_margin, standard_error
from cnn_core.training.loop import VALIDATION_DIVERGED
from cnn_core.training.meter import DIVERGED
from tests.helpers import is_a_sentence, tells
from tests.runs.diagnostic_histories import (
    CONFIG,
    PER_EPOCH,
    RISING,
    epochs,
    falling,
    history_of,
    only,
    overfitted,
    rules,
    started,
    steps,
)


def test_a_healthy_run_gets_no_finding_at_any_of_its_moments():
    events: list[Event] = [started()]
    losses, done = falling(12 * PER_EPOCH), epochs(RISING, class_accuracy=tuple(np.linspace(0.6, 0.9, 10)), dead=0.03)
    for number, epoch in enumerate(done):
        events += [*steps(PER_EPOCH * number + 1, losses[PER_EPOCH * number :][:PER_EPOCH]), epoch]
        assert rules(history_of(*events)) == []
    assert rules(history_of(*events, Finished(0.78, 0.7))) == []


@pytest.mark.parametrize("seed", range(5))
def test_noisy_healthy_losses_are_no_leap_whatever_the_batch_size(seed: int):
    rng = np.random.default_rng(seed)
    for batch_size in (1, 4, 64):
        right = rng.random((6000, batch_size)) < np.linspace(0.1, 0.75, 6000)[:, None]
        losses = np.where(right, rng.exponential(0.3, right.shape), 1 + rng.exponential(1.3, right.shape)).mean(1)
        config = change_config(CONFIG, {"batch_size": batch_size}, TrainConfig.model_fields)
        assert rules(history_of(started(), *steps(1, losses.tolist())), config) == []


def test_a_run_that_knows_nothing_yet_gets_no_finding():
    assert rules(History()) == rules(history_of(started())) == rules(history_of(*steps(1, [2.3]))) == []


# learning rate


def test_a_diverged_run_is_named_with_its_step_and_its_rate():
    error = DIVERGED.format(loss="nan", step=7, remedy=LOWER_RATE)
    finding = only(history_of(started()), make_config(learning_rate=0.5), error)
    assert finding.rule == TRAINING_DIVERGED and tells(finding.observation, "7", "0.5")
    assert finding.changes == {"learning_rate": 0.001}, "the usual rate, where it is lower than a tenth"
    assert only(history_of(), make_config(learning_rate=0.001), error).changes == {"learning_rate": 0.0001}


def test_divergence_in_float16_is_answered_by_the_wider_range():
    error = VALIDATION_DIVERGED.format(loss="inf", remedy=LOWER_RATE)
    assert only(history_of(started()), make_config(precision="float16"), error).changes == {"precision": "float32"}


@pytest.mark.parametrize(
    "chosen",
    [
        {"optimizer": "sgd", "learning_rate": 10},
        {"optimizer": "muon", "learning_rate": 7.5},
        {"optimizer": "rmsprop", "learning_rate": 0.0005},
        {"model": "speed", "learning_rate": 3},
        {"precision": "float16", "learning_rate": 0.1},
    ],
)
def test_the_error_of_a_diverged_run_and_its_finding_propose_the_same(chosen: dict[str, Any]):
    config = make_config(**chosen)
    error = DIVERGED.format(loss="nan", step=7, remedy=divergence_remedy(config))
    finding = only(history_of(started()), config, error)
    assert error.endswith(finding.remedy) and describe_changes(finding.changes) in error and is_a_sentence(error)
    assert finding.changes == changes_after_divergence(config) != {}


def test_another_failure_is_none_of_the_doctors_business():
    assert rules(history_of(started()), error="The process was short of memory. Choose a smaller batch.") == []


def test_a_loss_that_rises_far_above_its_start_is_a_rate_too_high():
    config = make_config(data="cifar10", learning_rate=0.3)
    finding = only(history_of(started(), *steps(1, [2.3] * 20 + [40.0] * 30 + [2.3] * 200, rate=0.3)), config)
    assert finding.rule == RATE_TOO_HIGH
    assert tells(finding.observation, "2.3", "40", "0.3")
    assert finding.changes == {"learning_rate": 0.001} and describe_changes(finding.changes) == "learning rate 0.001"


def test_a_loss_that_loses_half_of_what_it_had_gained_is_a_rate_too_high():
    losses = falling(200, end=0.3)
    bad = history_of(started(), *steps(1, [*losses, *[1.8] * 40, *losses[60:]]))
    finding = only(bad)
    assert finding.rule == RATE_TOO_HIGH and re.search(r" 1\.8 .*\b2\d\d\b", finding.observation)
    assert finding.changes == {"learning_rate": 0.0003}
    assert rules(history_of(started(), *steps(1, [*losses, *[0.9] * 40, *losses[60:]]))) == [], "a small setback is none"
    assert rules(history_of(started(), *steps(1, [*losses, *[1.8] * 5, *losses[60:]]))) == [], "nor are a few odd batches"


def test_a_few_single_steps_are_enough_where_the_loss_explodes():
    finding = only(history_of(started(), *steps(1, [2.3, 3e8, 5e6, 113.0, 5.0, *[2.3] * 50])))
    assert finding.rule == RATE_TOO_HIGH and tells(finding.observation, "2.3", "1", "3.0 × 10⁸", "2")


def test_a_leap_because_of_other_images_is_not_put_down_to_the_rate():
    losses = falling(200, end=0.3)
    leap = (*steps(1, losses), Changed(200, {"mixup": 1.0}), *steps(201, [1.8] * 100))
    assert rules(history_of(started(), *leap)) == []
    assert rules(history_of(started(), *steps(1, losses), Changed(200, {"learning_rate": 0.03}), *steps(201, [1.8] * 100))) == [
        RATE_TOO_HIGH
    ]


def test_what_a_branch_took_over_is_not_compared_with_what_it_did_itself():
    losses = falling(200, end=0.3)
    history = history_of(started(), *steps(1, losses), *epochs(RISING[:10]), *steps(201, [1.8] * 100))
    assert [f.rule for f in diagnose(history, CONFIG, parent_epoch=10)] == []
    assert rules(history) == [RATE_TOO_HIGH]
    history = history_of(started(), *overfitted(0.05, 0.2))
    assert diagnose(history, CONFIG, parent_epoch=9) == [] and rules(history) == [OVERFITTING]


def test_a_rate_that_somebody_has_lowered_since_the_leap_is_no_longer_too_high():
    leap = (*steps(1, [2.3] * 20 + [40.0] * 40, rate=0.3), Changed(60, {"learning_rate": 0.001}), *steps(61, falling(200)))
    assert rules(history_of(started(), *leap), make_config(data="cifar10", learning_rate=0.001)) == []


def test_gradients_that_throw_the_training_back_are_clipped_and_harmless_ones_are_left_alone():
    losses, norms = np.full(400, 0.5), np.full(400, 0.8)
    norms[[100, 200, 300]] = 20, 30, 25
    harmless = history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist()))
    for step in (101, 201, 301):
        losses[step : step + 20] = 0.9
    finding = only(history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist())))
    assert finding.rule == GRADIENT_SPIKES
    assert tells(finding.observation, "3", "400", "0.8", "30", "201", "3")
    assert finding.changes == {"clip_norm": 2.0}
    assert rules(harmless) == []
    clipped = change_config(CONFIG, {"clip_norm": 1.0}, TrainConfig.model_fields)
    assert rules(history_of(started(), *steps(1, losses.tolist(), norms=norms.tolist())), clipped) == []


# not learning


def test_a_run_at_chance_level_gets_a_finding_with_the_margin_of_chance():
    finding = only(history_of(started(val=100), *epochs([0.11, 0.10, 0.12] * 3, train_accuracy=0.104)))
    assert finding.rule == NOT_LEARNING
    assert tells(finding.observation, "180", "12.0%", "10.4%", "10.0%", "9.0", "100")
    assert finding.changes == {"learning_rate": 0.0003}


@pytest.mark.parametrize(("train", "best", "found"), [(0.3, 0.12, NO_BETTER), (0.104, 0.25, GUESSING_LOSS)])
def test_a_run_that_is_better_than_guessing_by_either_accuracy_is_learning(train: float, best: float, found: str):
    figures = epochs([0.11, 0.10, best] * 3, val_loss=[2.3] * 9, train_accuracy=train)
    assert rules(history_of(started(val=100), *figures)) == [found], "not NOT_LEARNING"


def test_a_run_that_has_hardly_begun_is_not_yet_judged():
    assert rules(history_of(started(val=100), *epochs([0.11] * 4, train_accuracy=0.1))) == []
    long = change_config(CONFIG, {"warmup": 0.5}, TrainConfig.model_fields)
    assert rules(history_of(started(val=100), *epochs([0.11] * 9, train_accuracy=0.1)), long) == [], "rates were near zero"


def test_guessing_in_an_imbalanced_set_is_saying_the_largest_class():
    events = started(val=500, counts=(900, 100)), *epochs([0.90] * 9, train_accuracy=0.9, val_loss=[0.3] * 9)
    (finding,) = diagnose(history_of(*events), CONFIG)
    assert finding.rule == NOT_LEARNING and "90.0%" in finding.observation


def test_a_rate_far_below_the_usual_one_is_raised_to_it():
    config = make_config(data="cifar10", learning_rate=1e-7)
    finding = only(history_of(started(), *epochs([0.1] * 9, train_accuracy=0.1)), config)
    assert finding.changes == {"learning_rate": 0.001} and tells(finding.remedy, "1e-07", "0.001")


def test_a_guesser_hardly_ever_exceeds_the_margin():
    rng = np.random.default_rng(0)
    for guess, images in ((0.1, 100), (0.1, 5000), (0.5, 200), (0.01, 5000)):
        accuracies = rng.binomial(images, guess, 20_000) / images
        assert (accuracies > guess + chance_margin(guess, images)).mean() < 0.005
        assert accuracies.std() == pytest.approx(standard_error(guess, images), rel=0.05)


# overfitting


# activations and plateaus


# classes


# the end


# real trainings
