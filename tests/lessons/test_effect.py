"""The effect of a change: Student's confidence interval over the pairs, its description, and the verdict on a prediction."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from cnn_core.events import Epoch
from cnn_core.lessons.effect import (
    PREDICTIONS,
    UNKNOWN,
    VERDICTS,
    Effect,
    describe_effect,
    describe_resolution,
    describe_verdict,
    judge_prediction,
    make_effect,
)
from cnn_core.lessons.final_metrics import ACCURACY, GAP, LOSS
from tests.helpers import is_a_sentence

SIGNIFICANT = ((2.6, 0.4), (2.1, -0.7), (1.1, -1.6))
NOT_SIGNIFICANT = ((97.0, 97.5), (97.5, 96.9), (96.0, 97.0))


def epoch(number: int, train: float = 0.9, val: float = 0.8, loss: float = 0.5) -> Epoch:
    return Epoch(number, number, 0.4, train, loss, val, True, 1.0, 1.0)


@pytest.mark.parametrize(
    "pairs", [SIGNIFICANT, NOT_SIGNIFICANT, SIGNIFICANT[:2], tuple(map(tuple, np.random.default_rng(0).random((6, 2))))]
)
def test_the_interval_is_that_of_students_paired_t_test(pairs):
    a, b = np.transpose(pairs)
    expected = ttest_rel(b, a).confidence_interval(0.95)
    effect = Effect(LOSS, pairs)
    np.testing.assert_allclose(effect.interval, expected)
    assert effect.mean_difference == pytest.approx((b - a).mean())
    assert (effect.direction == "same") == (ttest_rel(b, a).pvalue > 0.05)


def test_a_significant_difference_is_described_with_its_values_its_interval_and_the_number_of_pairs():
    effect = Effect(GAP, SIGNIFICANT)
    low, high = effect.interval
    text = describe_effect(effect)
    assert effect.direction == "lower" and GAP.title in text and GAP.words["lower"] in text and is_a_sentence(text)
    for part in (GAP.with_unit(2.567), GAP.with_unit(1.933), GAP.with_unit(-0.633), f"{-high:.1f} to {-low:.1f}", "n = 3"):
        assert part in text


def test_a_difference_that_is_not_significant_is_described_without_a_direction():
    effect = Effect(ACCURACY, NOT_SIGNIFICANT)
    low, high = effect.interval
    text = describe_effect(effect)
    assert effect.direction == "same" and is_a_sentence(text)
    assert ACCURACY.with_unit(96.833) in text and ACCURACY.with_unit(97.133) in text and "n = 3" in text
    assert f"{ACCURACY.number(low)} to {ACCURACY.number(high)}" in text
    assert not {word for word in (ACCURACY.words["lower"], ACCURACY.words["higher"]) if word in text}


def test_one_pair_has_a_difference_and_neither_an_interval_nor_a_direction():
    effect = Effect(LOSS, ((0.5, 0.2),))
    text = describe_effect(effect)
    assert effect.interval is None and effect.direction is None and is_a_sentence(text)
    assert LOSS.words["lower"] in text and LOSS.with_unit(0.3) in text and "interval" not in text
    equal = describe_effect(Effect(ACCURACY, ((95.0, 95.0),)))
    assert equal.count(ACCURACY.with_unit(95)) == 2 and ACCURACY.words["higher"] not in equal and is_a_sentence(equal)


def test_the_interval_reaches_at_least_one_image_to_either_side():
    equal = make_effect(ACCURACY, [(50.0, 50.5), (60.0, 60.5), (70.0, 70.5)], 200)
    assert equal.interval == pytest.approx((0.0, 1.0)) and equal.direction == "same"
    higher = make_effect(ACCURACY, [(50.0, 51.0), (60.0, 61.0), (70.0, 71.0)], 200)
    assert higher.interval == pytest.approx((0.5, 1.5)) and higher.direction == "higher"


def test_the_resolution_is_that_of_one_image_where_images_are_counted():
    text = describe_resolution(make_effect(ACCURACY, NOT_SIGNIFICANT, 719), 719)
    assert "719" in text and "0.14" in text and is_a_sentence(text)
    assert describe_resolution(make_effect(LOSS, NOT_SIGNIFICANT, 719), 719) == ""
    assert describe_resolution(make_effect(ACCURACY, NOT_SIGNIFICANT, 0), 0) == ""


@pytest.mark.parametrize(
    "pairs, prediction, verdict",
    [
        (SIGNIFICANT, "lower", "confirmed"),
        (SIGNIFICANT, "higher", "different"),
        (SIGNIFICANT, "same", "different"),
        (NOT_SIGNIFICANT, "higher", "not significant"),
        (NOT_SIGNIFICANT, "lower", "not significant"),
        (NOT_SIGNIFICANT, "same", "consistent"),
        (SIGNIFICANT[:1], "lower", "one pair"),
        (SIGNIFICANT, UNKNOWN, "no prediction"),
    ],
)
def test_a_prediction_is_judged_by_the_direction_of_the_effect(pairs, prediction, verdict):
    effect = Effect(GAP, pairs)
    text = describe_verdict(effect, prediction)
    assert prediction in PREDICTIONS and judge_prediction(effect, prediction) == verdict
    assert text.endswith(VERDICTS[verdict]) and is_a_sentence(text)
    assert prediction == UNKNOWN or GAP.words[prediction] in text


def test_a_final_metric_is_the_mean_over_the_last_quarter_of_the_epochs():
    epochs = [epoch(number, 0.9, 0.1 * number, number) for number in range(1, 9)]
    assert ACCURACY.average(epochs) == pytest.approx(75) and LOSS.average(epochs) == pytest.approx(7.5)
    assert GAP.average(epochs) == pytest.approx(15)
    assert ACCURACY.average(epochs[:3]) == pytest.approx(30) and ACCURACY.average(epochs[:1]) == pytest.approx(10)


def test_a_number_has_a_true_minus_and_zero_has_none():
    assert (GAP.number(-0.04), GAP.number(-1.25), LOSS.with_unit(0.1234)) == ("0.0", "−1.2", "0.123 nats")


def test_an_interval_of_a_significant_difference_does_not_start_at_zero():
    effect = Effect(ACCURACY, ((90.0, 90.9), (90.0, 90.5), (90.0, 90.7)), 0.14)
    assert effect.interval[0] == pytest.approx(0.203, abs=0.001) and "0.2 to 1.2" in describe_effect(effect)
    close = Effect(ACCURACY, ((90.0, 90.975), (90.0, 90.425), (90.0, 90.7)), 0.14)
    text = describe_effect(close)
    assert close.direction == "higher" and 0 < close.interval[0] < 0.05 and "to 1.4" in text and "0.0 to" not in text
