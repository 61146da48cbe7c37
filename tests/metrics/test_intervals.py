"""Intervals of shares against scipy's."""

import numpy as np
import pytest
import scipy.stats

from cnn_core.metrics.intervals import wilson_interval


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_wilson_interval_equals_scipys(seed: int, confidence: float):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 20_000))
    hits = int(rng.choice([0, 1, count, rng.integers(0, count + 1)]))
    theirs = scipy.stats.binomtest(hits, count).proportion_ci(confidence, method="wilson")
    assert wilson_interval(hits, count, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_counted_tells_nothing_and_the_ends_are_shares():
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 7)[0] == 0 and wilson_interval(7, 7)[1] == 1


def test_the_nominal_fraction_of_intervals_covers_the_true_value():
    ends = np.array([wilson_interval(hits, 100) for hits in range(101)])
    truths = np.linspace(0.05, 0.95, 91)
    chances = scipy.stats.binom.pmf(np.arange(101), 100, truths[:, None])
    holds = (ends[:, 0] <= truths[:, None]) & (truths[:, None] <= ends[:, 1])
    assert (chances * holds).sum(1).mean() == pytest.approx(0.95, abs=0.005)
