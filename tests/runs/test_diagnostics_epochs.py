"""Diagnostics that look at whole epochs and classes, how findings exclude each other, and real trainings."""

import re

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import LESS_OVERFITTING_OF_HEAD, applicable_changes, describe_changes
from cnn_core.events import Changed, Finished, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.runs import history as history_module
from cnn_core.runs.diagnostics import RULES, diagnose
from cnn_core.runs.history import History
from cnn_core.runs.rules.classes import CLASS_IMBALANCE, WEAK_CLASS
from cnn_core.runs.rules.training import DEAD_ACTIVATIONS, OVERFITTING, PLATEAU, RATE_TOO_HIGH, STILL_IMPROVING, TRAINING_DIVERGED
from cnn_core.runs.rules.validation import TOO_FEW_IMAGES
from cnn_core.runs.signals import find_loss_jump
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import start_process, tells, tiny_config, write_images
from tests.runs.diagnostic_histories import (
    CONFIG,
    CONSTANT,
    FLAT,
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


def test_validation_loss_that_rises_since_an_epoch_while_training_loss_falls_is_overfitting():
    finding = only(history_of(started(), *overfitted(0.05, 0.2)))
    assert finding.rule == OVERFITTING
    assert tells(finding.observation, "7", "0.7", "0.9", "0.6", "0.2", "0.1", "0.7")
    assert finding.changes == {"cutout": 0.25, "dropout": 0.5}
    bare = make_config(data="cifar10", crop=0, model="resnet20")
    assert only(history_of(started(), *overfitted(0.05, 0.2)), bare).changes == {"crop": 0.125, "dropout": 0.25}
    head = make_config(data="photos", model="efficientnet-lite0", crop=0)
    finding = only(history_of(started(), *overfitted(0.05, 0.2)), head)
    assert finding.changes == {"dropout": 0.45} and finding.remedy == LESS_OVERFITTING_OF_HEAD, "augmentation has no effect"
    assert applicable_changes(head, {"crop": 0.125, "epochs": 40}) == {"epochs": 40}
    assert applicable_changes(head, {"crop": 0.125, "train": "all"}) == {"crop": 0.125, "train": "all"}


@pytest.mark.parametrize(("rise", "train_end"), [(0.005, 0.2), (0.05, 0.6), (0.0, 0.2)])
def test_a_slight_rise_or_one_of_both_losses_is_no_overfitting(rise: float, train_end: float):
    assert rules(history_of(started(), *overfitted(rise, train_end))) == []


def test_validation_loss_that_swings_is_no_overfitting():
    swinging = epochs(RISING, val_loss=[1.5, 1.1, 0.9, 0.6, 0.95, 0.65, 1.0, 0.6, 0.95, 0.62, 1.0, 0.7])
    assert rules(history_of(started(), *swinging)) == []


def test_losses_before_and_after_other_images_are_not_compared():
    before, after = overfitted(0.05, 0.2)[:9], overfitted(0.05, 0.2)[9:]
    assert rules(history_of(started(), *before, Changed(before[-1].step, {"cutout": 0.3}), *after)) == []


def test_many_dead_channels_are_reported_and_leaky_relu_is_offered_where_the_network_takes_it():
    finding = only(history_of(started(), *epochs(RISING[:2], dead=0.81)))
    assert finding.rule == DEAD_ACTIVATIONS and tells(finding.observation, "81%", "5,000")
    assert finding.changes == {"activation": "leaky_relu"}
    mobilenet = make_config(data="cifar10", model="mobilenet")
    assert only(history_of(started(), *epochs(RISING[:2], dead=0.81)), mobilenet).changes == {"learning_rate": 0.0003}


@pytest.mark.parametrize(("dead", "val"), [(0.4, 5000), (None, 5000), (0.81, 30)])
def test_a_few_dead_channels_or_few_images_to_wake_them_are_nothing_to_tell(dead: float | None, val: int):
    assert DEAD_ACTIVATIONS not in rules(history_of(started(val=val), *epochs(RISING[:2], dead=dead)))


def test_accuracy_that_stands_still_at_a_high_rate_is_a_plateau():
    finding = only(history_of(started(13), *steps(1, falling(260)), *epochs(FLAT)), CONSTANT)
    assert finding.rule == PLATEAU and finding.changes == {"schedule": "cosine"}
    assert tells(finding.observation, "70.0%", "9", "13", "0.6", "0.001")


def test_it_is_no_plateau_while_it_moves_or_where_the_rate_will_fall_or_everything_is_learned():
    flat = epochs(FLAT)
    assert rules(history_of(started(13), *steps(1, falling(260)), *epochs(list(np.linspace(0.5, 0.7, 13)))), CONSTANT) == []
    assert rules(history_of(started(13), *steps(1, falling(260)), *flat), make_config(data="cifar10", epochs=13)) == []
    assert rules(history_of(started(13), *steps(1, falling(260)), *epochs(FLAT, train_accuracy=0.995)), CONSTANT) == []
    lowered = Changed(PER_EPOCH * 9, {"learning_rate": 0.001})
    assert rules(history_of(started(13), *steps(1, falling(260)), *flat[:9], lowered, *flat[9:]), CONSTANT) == []


def test_the_largest_and_the_smallest_class_are_quoted_where_they_are_far_apart():
    counts, accuracy = (4500, 4500, 120, 4500), (0.8, 0.8, 0.5, 0.8)
    finding = only(history_of(started(counts=counts), *epochs([0.76], class_accuracy=accuracy)))
    assert finding.rule == CLASS_IMBALANCE and not finding.changes
    assert tells(finding.observation, "“a”", "4,500", "“c”", "120", "50.0%", "76.0%")
    assert "4,500" in only(history_of(started(counts=counts))).observation, "known before the first epoch"
    assert rules(history_of(started(counts=(4500, 4500, 900, 4500)))) == []


def test_a_class_that_is_hardly_recognised_among_others_that_are_is_named():
    accuracy = (0.8, 0.85, 0.9, 0.3, 0.8, 0.85, 0.9, 0.8, 0.85, 0.9)
    finding = only(history_of(started(), *epochs(RISING, class_accuracy=accuracy)))
    assert finding.rule == WEAK_CLASS and not finding.changes
    assert tells(finding.observation, "12", "“d”", "30.0%", "500", "85.0%")
    assert rules(history_of(started(), *epochs(RISING[:3], class_accuracy=accuracy))) == [], "it is early yet"


def test_classes_that_simply_differ_or_have_few_images_are_not_called_weak():
    spread = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97)
    assert rules(history_of(started(), *epochs(RISING, class_accuracy=spread))) == []
    few = (0.8, 0.85, 0.9, 0.0, 0.8, 0.85, 0.9, 0.8, 0.85, None)
    assert rules(history_of(started(val=10), *epochs(RISING, class_accuracy=few))) == [TOO_FEW_IMAGES]


def test_a_run_that_was_still_getting_better_at_its_end_is_offered_more_epochs():
    rising = epochs([0.30, 0.38, 0.45, 0.51, 0.56, 0.61])
    config = make_config(data="cifar10", epochs=6)
    finding = only(history_of(started(6), *rising, Finished(0.6, 1.0)), config)
    assert finding.rule == STILL_IMPROVING and finding.changes == {"epochs": 12}
    assert tells(finding.observation, "6", "45.0%", "61.0%", "5,000")
    assert rules(history_of(started(6), *rising), config) == [], "it has not ended"
    most = make_config(data="cifar10", epochs=1000)
    assert only(history_of(started(6), *rising, Finished(0.6, 1.0)), most).changes == {}, "there are no more"


@pytest.mark.parametrize("accuracies", [[0.5, 0.6, 0.61, 0.612, 0.611, 0.613], [0.3, 0.4, 0.5, 0.6, 0.59, 0.7], [0.6, 0.7, 0.6]])
def test_a_run_that_settled_or_swung_at_its_end_has_had_its_epochs(accuracies: list[float]):
    assert rules(history_of(started(6), *epochs(accuracies), Finished(0.6, 1.0))) == []


def test_an_effect_is_left_out_where_its_cause_is_found():
    events = started(), *steps(1, [2.3] * 20 + [40.0] * 80), *epochs([0.1] * 9, train_accuracy=0.1)
    assert rules(history_of(*events)) == [RATE_TOO_HIGH]


def test_a_change_that_is_impossible_beside_the_other_settings_is_not_offered():
    config = TrainConfig.model_validate({**CONFIG.model_dump(), "patience": 2, "schedule": "plateau"})  # as an older run may be
    (finding,) = diagnose(history_of(started(), *epochs(RISING[:2], dead=0.81)), config)
    assert finding.rule == DEAD_ACTIVATIONS and finding.changes == {}


def test_every_rule_describes_its_finding():
    assert all(rule.__doc__ and re.fullmatch(r"[A-Z].+\.", rule.__doc__) for rule in RULES)
    assert (
        describe_changes({"activation": "leaky_relu", "weight_decay": 0.0005}) == "activation leaky relu and weight decay 0.0005"
    )


def test_a_real_training_at_an_absurd_rate_is_recognised(store: Store, tmp_path):
    config = tiny_config(write_images(tmp_path / "pictures", count=40), batch_size=16, epochs=8, learning_rate=3.0)
    run = store.create(config)
    execute(store, run)
    history = History()
    history.add(store.log.read(run))
    finding = diagnose(history, config, store.run(run).error)[0]
    assert finding.rule in (RATE_TOO_HIGH, TRAINING_DIVERGED)
    assert finding.changes == {"learning_rate": 0.001}, "what this network usually gets"


def test_a_real_training_that_diverges_is_recognised_by_its_sentence(store: Store, image_folder):
    config = tiny_config(image_folder, epochs=20, optimizer="sgd", learning_rate=10)
    run = store.create(config)
    assert execute(store, run) == "failed"
    history = History()
    history.add(store.log.read(run))
    finding = only(history, config, store.run(run).error)
    assert finding.rule == TRAINING_DIVERGED and finding.changes == {"learning_rate": 0.02}


def test_a_real_training_on_the_digits_that_went_well_gets_no_alarm(digits_run: Trained):
    history = History()
    history.add(digits_run.store.log.read(digits_run.id))
    assert not set(rules(history, digits_run.run.config)) - {STILL_IMPROVING}, "six epochs may be too few"


def test_the_doctor_does_not_bring_torch(tmp_path):
    process = start_process(Home(tmp_path), "-c", "import sys, cnn_core.runs.diagnostics; assert 'torch' not in sys.modules")
    assert process.wait(60) == 0


def test_a_leap_in_a_long_run_is_found_among_its_newest_steps_and_named_by_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history_module, "DIAGNOSED_STEPS", 500)
    quiet = [Steps(1, at, 64 * at, (0.3,), (0.5,), 0.001, 1.0, 1.0, 1.0, 1.0, 1.0) for at in range(1, 2001)]
    leap = [Steps(1, at, 64 * at, (3.0,), (0.1,), 0.001, 1.0, 1.0, 1.0, 1.0, 1.0) for at in range(2001, 2101)]
    history = history_of(started(), *quiet, *leap)
    assert 0 < len(history.losses) < 1000
    found = find_loss_jump(history, 64)
    assert found.low == pytest.approx(0.3) and found.high == pytest.approx(3.0)
    assert found.low_step < 2001 <= found.high_step <= 2100
    assert find_loss_jump(history, 64, since=2050) is None
