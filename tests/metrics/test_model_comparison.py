"""Two networks on the same images: against scipy's binomial test, plain counting, and how often intervals hold what they should."""

import numpy as np
import pytest
from scipy.stats import binomtest

from cnn_core.errors import RunError
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.intervals import SIGNIFICANCE
from cnn_core.metrics.model_comparison import (
    OTHER_CLASSES,
    OTHER_IMAGES,
    compare,
    holm_correction,
    mcnemar_p_value,
    paired_interval,
    verdict,
)
from tests.helpers import is_a_sentence, tells

CLASSES = ("cat", "dog", "fox", "owl")


def evaluation(predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...] = CLASSES) -> Evaluation:
    return Evaluation(classes, 3 * np.eye(len(classes), dtype=np.float32)[predicted], labels)


@pytest.fixture
def pair() -> tuple[Evaluation, Evaluation]:
    """Two networks on 300 images of three of four classes, the second of which is better in one of them."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    first, second = (np.where(rng.random(300) < right, labels, rng.integers(0, 4, 300)) for right in (0.6, 0.6))
    second = np.where(labels == 1, 1, second)
    return evaluation(first, labels), evaluation(second, labels)


def test_the_images_that_changed_sides_are_those_counted_one_by_one(pair: tuple[Evaluation, Evaluation]):
    comparison, (a, b) = compare(*pair), pair
    rows = list(zip(range(300), a.predicted, b.predicted, a.labels, strict=True))
    assert comparison.gained.tolist() == [i for i, one, other, true in rows if one != true and other == true]
    assert comparison.lost.tolist() == [i for i, one, other, true in rows if one == true and other != true]
    assert comparison.both_wrong_differently.tolist() == [
        i for i, one, other, true in rows if true not in (one, other) and one != other
    ]
    assert comparison.difference == pytest.approx((len(comparison.gained) - len(comparison.lost)) / 300)
    low, high = comparison.interval
    assert low < comparison.difference < high


def test_each_class_is_counted_by_its_own_images(pair: tuple[Evaluation, Evaluation]):
    comparison, (a, b) = compare(*pair), pair
    changes = comparison.per_class
    for label in range(3):
        of_it = a.labels == label
        assert changes.count[label] == of_it.sum()
        assert changes.difference[label] == pytest.approx(b.is_correct[of_it].mean() - a.is_correct[of_it].mean())
    assert changes.gained.sum() == len(comparison.gained) and changes.lost.sum() == len(comparison.lost)
    assert np.isnan(changes.difference[3]) and (changes.low[3], changes.high[3], changes.p[3]) == (-1, 1, 1)
    assert changes.is_significant.tolist() == [False, True, False, False]


def test_mcnemars_test_is_the_exact_binomial_test():
    counts = np.random.default_rng(0).integers(0, 60, (200, 2))
    counts[0], counts[1] = (0, 0), (5, 5)
    expected = [binomtest(int(one), int(one + other)).pvalue if one + other else 1.0 for one, other in counts]
    np.testing.assert_allclose(mcnemar_p_value(*counts.T), expected, rtol=1e-9)
    assert mcnemar_p_value(np.array([4_000]), np.array([4_400]))[0] == pytest.approx(binomtest(4_000, 8_400).pvalue, rel=1e-9)


@pytest.mark.parametrize(("count", "gain", "loss"), [(15, 0.2, 0.1), (40, 0.05, 0.05), (200, 0.02, 0.1)])
def test_intervals_hold_the_true_difference_in_ninety_five_of_a_hundred_draws(count: int, gain: float, loss: float):
    draws = np.random.default_rng(2).multinomial(count, [gain, loss, 1 - gain - loss], 20_000)
    low, high = paired_interval(draws[:, 0], draws[:, 1], np.full(20_000, count))
    held = np.mean((low <= gain - loss) & (gain - loss <= high))
    assert 0.94 <= held <= 0.995


def test_with_many_images_the_interval_is_that_of_a_mean():
    one_by_one = np.repeat([1, -1, 0], [3_000, 2_500, 34_500])
    spread = 1.959964 * one_by_one.std() / np.sqrt(40_000)
    low, high = paired_interval(np.array([3_000]), np.array([2_500]), np.array([40_000]))
    np.testing.assert_allclose([low[0], high[0]], [one_by_one.mean() - spread, one_by_one.mean() + spread], atol=2e-6)


def test_probabilities_of_several_tests_are_adjusted_after_holm():
    tested = np.array([True, True, False, True, True])
    adjusted = holm_correction(np.array([0.01, 0.04, 0.0, 0.03, 0.005]), tested)
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 1, 0.06, 0.02])  # by hand: 2 × 0.03 also holds for the larger 0.04
    assert holm_correction(np.array([0.4, 0.9]), np.array([True, True])).tolist() == [0.8, 0.9]


def test_the_verdict_says_who_is_better_only_where_there_is_evidence():
    labels = np.zeros(100, np.int64)

    def network(right: range) -> Evaluation:
        return evaluation(np.where(np.isin(np.arange(100), right), 0, 1), labels)

    better = verdict(compare(network(range(70)), network(range(60, 100))))
    assert better.startswith("A ") and tells(better, "70.0%", "40.0%", "30", "60", "0.0021")
    better = verdict(compare(network(range(50)), network(range(80))))
    assert better.startswith("B ") and tells(better, "80.0%", "50.0%", "30", "0", "p < 0.001")
    unsure = verdict(compare(network(range(50)), network(range(1, 53))))
    assert not unsure.startswith(("A ", "B ")) and tells(unsure, "50.0%", "52.0%", "3", "1", "p = 0.62")
    assert is_a_sentence(unsure) and compare(network(range(50)), network(range(1, 53))).p > SIGNIFICANCE
    same = verdict(compare(network(range(9)), network(range(9))))
    assert "9.0%" in same and "p " not in same


def test_networks_of_other_classes_or_images_are_refused(pair: tuple[Evaluation, Evaluation]):
    first = pair[0]
    others = evaluation(first.predicted, first.labels, ("cat", "dog", "fox", "emu"))
    for other, message in ((others, OTHER_CLASSES), (evaluation(first.predicted[:-1], first.labels[:-1]), OTHER_IMAGES)):
        with pytest.raises(RunError, match=message) as refusal:
            compare(first, other)
        assert is_a_sentence(refusal.value)
