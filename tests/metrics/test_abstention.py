"""Answers that may be withheld: what every threshold answers and gets right, counted image by image."""

import numpy as np
import pytest

from cnn_core.metrics.abstention import CURVE_POINTS, abstention_curve, measure_abstention
from cnn_core.metrics.intervals import wilson_interval


def drawn(count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    confidence = rng.random(count).round(2)  # many equal ones
    return confidence, rng.random(count) < confidence


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.505, 0.9, 1.0])
def test_a_threshold_answers_the_images_that_are_at_least_so_sure(threshold: float):
    confidence, is_correct = drawn()
    found = measure_abstention(confidence, is_correct, np.array([threshold]))
    answered = confidence >= threshold
    assert found.predicted.tolist() == [answered.sum()] and found.correct.tolist() == [(answered & is_correct).sum()]
    assert found.coverage[0] == pytest.approx(answered.mean())
    assert found.accuracy[0] == pytest.approx(is_correct[answered].mean())
    assert found.correct_fraction[0] == pytest.approx((answered & is_correct).sum() / is_correct.sum())
    assert found.accuracy_interval() == wilson_interval(int((answered & is_correct).sum()), int(answered.sum()))


def test_a_threshold_that_nothing_reaches_answers_nothing():
    found = measure_abstention(np.array([0.3, 0.6]), np.array([True, False]), np.array([0.7]))
    assert found.predicted[0] == 0 and np.isnan(found.accuracy[0]) and found.correct_fraction[0] == 0
    assert found.accuracy_interval() == (0, 1)


def test_the_curve_goes_from_all_images_to_the_surest():
    confidence, is_correct = drawn(3000)
    curve = abstention_curve(confidence, is_correct)
    assert curve.coverage[0] == 1 and curve.accuracy[0] == pytest.approx(is_correct.mean()) and curve.correct_fraction[0] == 1
    assert curve.thresholds[-1] == confidence.max() and curve.predicted[-1] == (confidence == confidence.max()).sum()
    assert (np.diff(curve.predicted) < 0).all() and len(curve.thresholds) <= CURVE_POINTS
    assert np.array_equal(curve.predicted, (confidence >= curve.thresholds[:, None]).sum(1))


def test_no_number_is_no_answer():
    found = measure_abstention(np.array([np.nan, 0.9]), np.array([True, True]), np.array([0.0, 0.5]))
    assert found.predicted.tolist() == [2, 1]


def test_without_a_correct_prediction_nothing_can_be_accepted():
    assert np.isnan(measure_abstention(np.array([0.5]), np.array([False]), np.array([0.0])).correct_fraction[0])
