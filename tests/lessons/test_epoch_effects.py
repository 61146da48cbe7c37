"""The effect at every epoch, and whether the curves agree with a prediction during training."""

import pytest

from cnn_core.events import Epoch
from cnn_core.lessons.effect import UNKNOWN, Effect
from cnn_core.lessons.epoch_effects import (
    ALL_EPOCHS,
    FROM_EPOCH,
    NO_EPOCH,
    NOT_IN_LAST,
    ONE_EPOCH,
    RunEpochs,
    describe_agreement,
    epoch_direction,
    measure_epochs,
)
from cnn_core.lessons.final_metrics import ACCURACY, GAP
from tests.helpers import is_a_sentence

STEADY = (0.90, 0.92, 0.91)


def run(*accuracies, is_finished=True):
    return RunEpochs([Epoch(at, at, 0.4, 0.9, 0.5, val, True, 1.0, 1.0) for at, val in enumerate(accuracies, 1)], is_finished)


def differences(*pairs):
    return [[round(each) for each in effect.differences] for effect in measure_epochs(ACCURACY, pairs, 719)]


def test_runs_are_compared_at_the_epochs_that_both_have_reached():
    assert differences((run(0.5, 0.6, 0.7), run(0.6, 0.8, is_finished=False))) == [[10], [20]]
    assert differences((run(0.5), run(is_finished=False))) == [] == differences()
    assert differences((run(0.5, 0.6, is_finished=False), run(0.6, is_finished=False))) == [[10]]
    complete, growing = (run(0.5, 0.6), run(0.6, 0.8)), (run(0.5, 0.6), run(0.4, is_finished=False))
    assert differences(complete, growing) == [[10, -10], [20]]


def test_the_last_value_of_a_run_with_fewer_epochs_is_compared_with_the_later_epochs_of_the_other():
    assert differences((run(0.5, 0.6), run(0.5, 0.7, 0.8, 0.9))) == [[0], [10], [20], [30]]
    assert differences((run(0.5, is_finished=False), run(0.5, 0.7))) == [[0]]


def test_the_direction_at_an_epoch_is_that_of_the_interval_and_for_one_pair_that_of_more_than_one_image():
    noisy = Effect(ACCURACY, ((90.0, 91.0), (90.0, 89.5)))
    assert noisy.direction == epoch_direction(noisy) == "same"
    assert [epoch_direction(Effect(ACCURACY, ((90.0, b),), 0.14)) for b in (90.1, 90.2, 89.8)] == ["same", "higher", "lower"]


@pytest.mark.parametrize(
    "b, expected",
    [
        ((0.95, 0.96, 0.97), ALL_EPOCHS.format(total=3)),
        ((0.95,), ONE_EPOCH),
        ((0.80, 0.96, 0.97), FROM_EPOCH.format(agreeing=2, total=3, first=2)),
        ((0.95, 0.80, 0.97), FROM_EPOCH.format(agreeing=2, total=3, first=3)),
        ((0.95, 0.96, 0.80), NOT_IN_LAST.format(agreeing=2, total=3)),
        ((0.80, 0.92, 0.80), NO_EPOCH),
    ],
)
def test_the_agreement_counts_epochs_and_says_whether_it_lasts(b, expected):
    effects = measure_epochs(ACCURACY, [(run(*STEADY), run(*b, is_finished=len(b) == len(STEADY)))], 719)
    assert describe_agreement(effects, "higher") == expected and is_a_sentence(expected)


def test_about_the_same_agrees_where_the_curves_do_not_differ():
    pairs = [(run(*STEADY), run(0.99, 0.92, 0.91)), (run(*STEADY), run(0.99, 0.921, 0.909))]
    expected = FROM_EPOCH.format(agreeing=2, total=3, first=2)
    assert describe_agreement(measure_epochs(ACCURACY, pairs, 719), "same") == expected
    assert describe_agreement(measure_epochs(GAP, pairs, 719), "lower") == NOT_IN_LAST.format(agreeing=1, total=3)


def test_without_a_prediction_or_an_epoch_nothing_is_said():
    assert describe_agreement(measure_epochs(ACCURACY, [(run(0.5), run(0.6))], 719), UNKNOWN) == ""
    assert describe_agreement((), "higher") == ""
