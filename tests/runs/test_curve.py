"""Curves of bounded size: what is drawn is the envelope of all points, whenever the old ones were let go of."""

import numpy as np
import pytest

from cnn_core.runs.curve import CURVE_POINTS, NEWEST, Curve, interval_width

STEPS = 50_000


def points(seed: int, count: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Steps 1, 2, … or some of them, with values in which many are the same and a few stand out."""
    rng = np.random.default_rng(seed)
    steps = np.arange(1, count + 1) if seed % 2 else np.flatnonzero(rng.random(count) < 0.4) + 1
    return steps, np.where(rng.random(len(steps)) < 0.001, 50, 1) * rng.integers(-20, 20, len(steps)) / 8


def curve_of(steps: np.ndarray, values: np.ndarray, *, at_a_time: int) -> Curve:
    curve = Curve()
    for first in range(0, len(steps), at_a_time):
        curve.extend(steps[first : first + at_a_time].tolist(), values[first : first + at_a_time].tolist())
    return curve


def envelope_the_slow_way(steps: np.ndarray, values: np.ndarray, width: int) -> list[tuple[int, float]]:
    """The first lowest and the last highest point of every `width` steps, point by point."""
    extremes: dict[int, tuple[tuple[int, float], tuple[int, float]]] = {}
    for step, value in zip(steps.tolist(), values.tolist(), strict=True):
        low, high = extremes.get((step - 1) // width, ((step, value), (step, value)))
        extremes[(step - 1) // width] = ((step, value) if value < low[1] else low, (step, value) if value >= high[1] else high)
    return sorted({point for pair in extremes.values() for point in pair})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at_a_time", [1, 25, 7001])
def test_what_is_drawn_is_the_envelope_of_all_points_however_they_came(seed: int, at_a_time: int):
    steps, values = points(seed)
    curve = curve_of(steps, values, at_a_time=at_a_time)
    for limit in (CURVE_POINTS, CURVE_POINTS // 2, 100):
        x, y = curve.envelope(limit)
        assert len(x) <= limit
        assert list(zip(x.tolist(), y.tolist(), strict=True)) == envelope_the_slow_way(
            steps, values, interval_width(int(steps[-1]), limit)
        )


def test_a_curve_does_not_grow_with_its_steps():
    sizes = []
    for count in (100_000, 400_000):
        curve = curve_of(*points(1, count), at_a_time=1000)
        sizes.append(max(len(curve.old_x), len(curve.old_y)) + max(len(curve.new_x), len(curve.new_y)))
        assert len(curve.mean_x) == len(curve.mean_y) <= CURVE_POINTS // 2
    assert max(sizes) <= CURVE_POINTS + 2 * NEWEST + 1000


def means_the_slow_way(values: np.ndarray, width: int, since: int = 0) -> tuple[list[int], list[float]]:
    """The last step and the mean of every `width` of steps 1, 2, …, of those after `since`."""
    ends = [*range((since // width + 1) * width, len(values), width), len(values)]
    starts = [since, *ends[:-1]]
    return ends, [float(values[start:end].mean()) for start, end in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("at_a_time", [1, 25, 7001])
def test_the_means_are_those_of_all_points_however_they_came(at_a_time: int):
    steps, values = points(1)
    curve = curve_of(steps, values, at_a_time=at_a_time)
    for limit in (CURVE_POINTS, CURVE_POINTS // 2, 100):
        x, y = curve.means(limit)
        ends, means = means_the_slow_way(values, interval_width(STEPS, limit))
        assert x.tolist() == ends and y == pytest.approx(means) and len(x) <= limit // 2


@pytest.mark.parametrize("since", [STEPS - 800, STEPS - 201])
def test_the_means_after_a_step_are_those_of_its_later_points_alone(since: int):
    steps, values = points(1)
    x, y = curve_of(steps, values, at_a_time=25).means(200, since)
    ends, means = means_the_slow_way(values, interval_width(STEPS - since, 200), since)
    assert x.tolist() == ends and y == pytest.approx(means)


def test_few_points_need_no_means():
    steps, values = points(1)
    curve = curve_of(steps, values, at_a_time=25)
    assert curve.means(200, STEPS - 200) is None and curve.means(200, STEPS - 201) is not None
    assert curve_of(*points(1, CURVE_POINTS), at_a_time=25).means(CURVE_POINTS) is None


@pytest.mark.parametrize("place", [0, 1, 20_007, STEPS - NEWEST])
def test_a_mean_is_kept_of_the_interval_in_which_steps_are_taken_back(place: int):
    steps, values = points(1)
    curve = curve_of(steps, values, at_a_time=100)
    curve.truncate(place)
    curve.extend(steps[place:].tolist(), values[place:].tolist())
    x, y = curve.means(CURVE_POINTS)
    ends, means = means_the_slow_way(values, width := interval_width(STEPS, CURVE_POINTS))
    untouched = [at for at, end in enumerate(ends) if end - width >= place or end <= place]
    assert x.tolist() == ends and y[untouched] == pytest.approx(np.array(means)[untouched]) and len(untouched) >= len(ends) - 1


@pytest.mark.parametrize("back", [1, 700, NEWEST])
def test_the_newest_steps_can_be_taken_back_without_a_trace(back: int):
    steps, values = points(1)
    curve = curve_of(steps, values, at_a_time=100)
    place = STEPS - back
    curve.truncate(place)
    curve.extend(steps[place:].tolist(), values[place:].tolist())
    for mine, theirs in zip(
        curve.envelope(CURVE_POINTS), curve_of(steps, values, at_a_time=100).envelope(CURVE_POINTS), strict=True
    ):
        assert np.array_equal(mine, theirs)
    for mine, theirs in zip(curve.means(CURVE_POINTS), curve_of(steps, values, at_a_time=100).means(CURVE_POINTS), strict=True):
        np.testing.assert_allclose(mine, theirs)


def test_steps_that_are_taken_back_from_further_off_leave_all_stretches_before_them_as_they_were():
    steps, values = points(1)
    curve, place = curve_of(steps, values, at_a_time=100), 20_007
    curve.truncate(place)
    width = interval_width(STEPS, CURVE_POINTS)
    whole = [point for point in envelope_the_slow_way(steps[:place], values[:place], width) if point[0] <= place // width * width]
    x, y = curve.points()
    before = x <= place // width * width
    assert list(zip(x[before].tolist(), y[before].tolist(), strict=True)) == whole and x[-1] <= place
    curve.extend(steps[place:].tolist(), values[place:].tolist())
    assert curve.points()[1][-1] == values[-1] and (np.diff(curve.points()[0]) > 0).all()


@pytest.mark.parametrize("since", [0, 30_000, STEPS - 2 * NEWEST, STEPS - 800, STEPS - 1, STEPS])
def test_the_points_after_a_step_are_all_of_them_where_it_is_not_long_ago(since: int):
    steps, values = points(1)
    curve = curve_of(steps, values, at_a_time=25)
    x, y = curve.points(since)
    assert (x > since).all() and set(zip(x, y, strict=True)) <= set(zip(steps, values, strict=True))
    if STEPS - since <= NEWEST:
        assert x.tolist() == list(range(since + 1, STEPS + 1))


def test_an_empty_curve_has_no_points():
    x, y = Curve().envelope(CURVE_POINTS)
    assert len(x) == len(y) == 0 and Curve().means(CURVE_POINTS) is None
