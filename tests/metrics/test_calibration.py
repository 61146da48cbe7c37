"""Calibration: bins and errors counted by hand, a known temperature found again, and what a temperature leaves as it is."""

import numpy as np
import pytest
import scipy.special
import torch

from cnn_core.errors import RunError
from cnn_core.metrics import calibration
from cnn_core.metrics.calibration import SMALL_ERROR, fit_temperature, measure_reliability, reliability_of
from cnn_core.metrics.evaluation import Evaluation
from tests.helpers import is_a_sentence


def made_up(seed: int, *, heat: float = 1.0, count: int = 4000, classes: int = 6) -> Evaluation:
    """Labels drawn from the softmax of logits that are then multiplied by `heat`: dividing by it makes the network honest."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (count, classes))
    shares = scipy.special.softmax(honest, 1)
    labels = (shares.cumsum(1) > rng.random((count, 1))).argmax(1)
    return Evaluation(tuple("abcdef"[:classes]), (honest * heat).astype(np.float32), labels)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_bins_hold_what_a_loop_over_images_finds(bins: int):
    rng = np.random.default_rng(bins)
    confidence = np.concatenate((rng.random(300), np.arange(bins + 1) / bins))  # edges too: they belong to the bin below
    is_correct = rng.random(len(confidence)) < confidence
    found = measure_reliability(confidence, is_correct, bins)
    expected, largest = 0.0, 0.0
    for place in range(bins):
        low, high = found.edges[place], found.edges[place + 1]
        inside = (confidence > low) & (confidence <= high) if place else confidence <= high
        assert found.count[place] == inside.sum()
        if inside.any():
            assert found.accuracy[place] == pytest.approx(is_correct[inside].mean())
            assert found.confidence[place] == pytest.approx(confidence[inside].mean())
            gap = abs(is_correct[inside].mean() - confidence[inside].mean())
            expected, largest = expected + gap * inside.sum() / len(confidence), max(largest, gap)
    assert found.expected_error == pytest.approx(expected) and found.largest_error == pytest.approx(largest)
    assert found.difference == pytest.approx(confidence.mean() - is_correct.mean())
    assert found.gaps[found.count == found.largest_error_count].max() == found.largest_error


def test_a_bin_without_images_counts_for_nothing():
    found = measure_reliability(np.array([0.95, 0.95, 0.95, 0.95]), np.array([True, True, True, False]), 10)
    assert found.count.tolist() == [0] * 9 + [4] and np.isnan(found.accuracy[:9]).all()
    assert found.expected_error == pytest.approx(0.2) == found.largest_error
    assert found.largest_error_count == 4 and found.verdict == "within chance"  # of four images


def test_an_honest_network_has_almost_no_calibration_error_and_a_boasting_one_does():
    honest, boasting, modest = (reliability_of(made_up(0, heat=heat, count=20_000)) for heat in (1, 3, 0.4))
    assert honest.expected_error < 0.015 < 0.1 < min(boasting.expected_error, modest.expected_error)
    assert (honest.verdict, boasting.verdict, modest.verdict) == ("calibrated", "overconfident", "underconfident")


def test_an_error_that_a_calibrated_model_may_have_by_chance_is_no_verdict_against_the_model():
    rng = np.random.default_rng(5)
    drawn = [rng.uniform(0.5, 1, 24) for _ in range(300)]
    verdicts = [measure_reliability(confidence, rng.random(24) < confidence) for confidence in drawn]  # each calibrated
    assert np.mean([found.expected_error > SMALL_ERROR for found in verdicts]) > 0.95
    assert np.mean([found.verdict in ("calibrated", "within chance") for found in verdicts]) > 0.88
    assert np.mean([found.expected_error <= found.chance_error for found in verdicts]) == pytest.approx(0.95, abs=0.04)


def test_errors_that_cancel_on_average_are_no_good_calibration():
    confidence = np.repeat([0.6, 0.9], 1000)
    is_correct = np.concatenate([np.arange(1000) < 700, np.arange(1000) < 800])  # 70% and 80%: the mean confidence is right
    found = measure_reliability(confidence, is_correct)
    assert (
        found.difference == pytest.approx(0, abs=1e-9)
        and found.expected_error == pytest.approx(0.1)
        and found.verdict == "uneven"
    )


@pytest.mark.parametrize("heat", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found_again(heat: float):
    assert fit_temperature(made_up(1, heat=heat, count=20_000)) == pytest.approx(heat, rel=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_temperature_of_a_fine_grid_has_a_lower_cross_entropy(seed: int):
    evaluation = made_up(seed, heat=2, count=300)
    logits, labels = torch.from_numpy(evaluation.logits).double(), torch.from_numpy(evaluation.labels)
    grid = np.geomspace(0.2, 20, 2000)
    losses = [torch.nn.functional.cross_entropy(logits / heat, labels).item() for heat in grid]
    assert fit_temperature(evaluation) == pytest.approx(grid[np.argmin(losses)], rel=0.005)


@pytest.mark.parametrize("heat", [0.5, 3.0])
def test_the_fitted_temperature_lowers_the_error_on_other_images_and_changes_no_answer(heat: float):
    validation, test = made_up(2, heat=heat), made_up(3, heat=heat)
    cooled = test.with_temperature(fit_temperature(validation))
    assert reliability_of(cooled).expected_error < 0.3 * reliability_of(test).expected_error
    assert cooled.loss < test.loss
    assert np.array_equal(cooled.predicted, test.predicted) and cooled.accuracy == test.accuracy


def test_of_many_logits_an_even_part_is_enough(monkeypatch: pytest.MonkeyPatch):
    evaluation = made_up(4, heat=2, count=60_000)
    whole = fit_temperature(evaluation)
    monkeypatch.setattr(calibration, "MAX_LOGITS", 60_000)  # a sixth of them
    logits, labels = calibration.sample_logits(evaluation)
    assert logits.shape == (10_000, 6)
    assert np.array_equal(logits[[0, -1]].numpy(), evaluation.logits[[0, -1]]) and labels[-1] == evaluation.labels[-1]
    assert fit_temperature(evaluation) == pytest.approx(whole, rel=0.05) and fit_temperature(evaluation) != whole


def test_without_any_mistake_no_temperature_is_the_best_and_it_is_refused():
    flawless = Evaluation(("a", "b"), np.array([[3, 0], [0, 2]], np.float32), np.array([0, 1]))
    with pytest.raises(RunError, match=r"\b2\b") as refusal:
        fit_temperature(flawless)
    assert is_a_sentence(refusal.value)


def test_outputs_that_are_no_numbers_are_refused_with_a_message_and_counted_as_no_confidence():
    broken = Evaluation(("a", "b"), np.full((5, 2), np.nan, np.float32), np.array([0, 1, 0, 1, 1]))
    with pytest.raises(RunError) as refusal:
        fit_temperature(broken)
    assert is_a_sentence(refusal.value)
    assert reliability_of(broken).count[0] == 5
