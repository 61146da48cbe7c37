"""The points of curves that are sent to a page: their number is bounded, and their lowest and highest points are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cnn_core.events import Steps
from cnn_core.runs.curve import decimate
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import SNAPSHOT_POINTS, UPDATE_POINTS, History
from tests.runs.histories import STARTED, envelope_the_slow_way, history_of, long_run, steps


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [4, 20, 200, 2000])
def test_decimation_keeps_the_lowest_and_highest_point_of_every_stretch(seed: int, limit: int):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(limit + 1, 9000))
    x = np.cumsum(rng.integers(1, 2 if seed % 2 else 50, count))  # evenly spaced, or with gaps
    y = np.where(rng.random(count) < 0.01, 50, 1) * rng.standard_normal(count)
    xs, ys = decimate(x, y, limit)
    assert len(xs) == len(ys) <= limit
    assert (np.diff(xs) > 0).all()
    assert set(zip(xs.tolist(), ys.tolist(), strict=True)) <= set(zip(x.tolist(), y.tolist(), strict=True))
    whole = envelope_the_slow_way(x.tolist(), y.tolist(), limit // 2)
    envelope: dict[int, list[float]] = {}
    for px, py in zip(xs.tolist(), ys.tolist(), strict=True):
        envelope.setdefault(int((px - x[0]) * (limit // 2) // (x[-1] - x[0] + 1)), []).append(py)
    assert {stretch: (min(values), max(values)) for stretch, values in envelope.items()} == whole


def test_a_single_spike_among_a_hundred_thousand_points_survives():
    y = np.ones(100_000)
    y[61_803], y[27_182] = 99, -99
    xs, ys = decimate(np.arange(100_000), y, 200)
    assert dict(zip(xs.tolist(), ys.tolist(), strict=True)).items() >= {61_803: 99, 27_182: -99}.items()


@pytest.mark.parametrize("count", [0, 1, 2, 199, 200])
def test_few_points_are_kept_as_they_are(count: int):
    x, y = np.arange(count), np.random.default_rng(0).random(count)
    xs, ys = decimate(x, y, 200)
    assert np.array_equal(xs, x) and np.array_equal(ys, y)


def test_a_snapshot_of_a_hundred_thousand_steps_is_bounded():
    events = long_run(100_000, per_report=100, per_epoch=1000)
    history = history_of(events)
    snapshot = history.snapshot()
    assert snapshot["reset"] and snapshot["step"] == snapshot["steps_total"] == 100_000
    assert len(json.dumps(snapshot)) <= 200_000
    losses = np.concatenate([event.loss for event in events if isinstance(event, Steps)])
    column = snapshot["steps"]["loss"]
    assert 1000 <= len(column["x"]) == len(column["y"]) <= SNAPSHOT_POINTS
    whole = envelope_the_slow_way(list(range(1, 100_001)), losses.round(5).tolist(), SNAPSHOT_POINTS // 2)
    assert min(column["y"]) == min(low for low, _ in whole.values())
    assert max(column["y"]) == max(high for _, high in whole.values())
    assert len(snapshot["steps"]["accuracy"]["x"]) <= SNAPSHOT_POINTS
    assert [e["epoch"] for e in snapshot["epochs"]] == list(range(1, 101))


def test_a_snapshot_stays_bounded_with_the_maximum_of_epochs():
    snapshot = history_of(long_run(100_000, per_report=100, per_epoch=100)).snapshot()
    assert len(snapshot["epochs"]) == 1000
    assert len(json.dumps(snapshot)) <= 400_000


def test_an_update_is_bounded_however_much_came_in_between():
    history = history_of([STARTED, steps(1, 1)])
    mark = history.position()
    history.add([StoredEvent(3, steps(50_001, 50_000))])
    update = history.update(mark)
    assert not update["reset"] and update["step"] == 50_001
    assert all(len(column["x"]) <= UPDATE_POINTS for column in update["steps"].values())
    assert update["steps"]["loss"]["x"][0] >= 2 and len(json.dumps(update)) <= 15_000


@pytest.mark.parametrize("seed", range(5))
def test_updates_join_without_a_gap_and_without_a_double(seed: int):
    rng = np.random.default_rng(seed)
    events = long_run(2000, per_report=20, per_epoch=100)
    stored = [StoredEvent(seq, event) for seq, event in enumerate(events, start=1)]
    history, x, y, epochs = History(), [], [], []
    while stored:
        count = int(rng.integers(1, 9))
        mark = history.position()
        history.add(stored[:count])
        stored = stored[count:]
        update = json.loads(json.dumps(history.update(mark)))
        x += update["steps"]["loss"]["x"]
        y += update["steps"]["loss"]["y"]
        epochs += [e["epoch"] for e in update["epochs"]]
    assert x == list(range(1, 2001)) and epochs == list(range(1, 21))
    losses = [loss for event in events if isinstance(event, Steps) for loss in event.loss]
    assert y == pytest.approx(losses, abs=1e-5)


def test_few_points_are_sent_as_they_are_and_of_many_the_means_too():
    assert history_of([STARTED, steps(SNAPSHOT_POINTS, SNAPSHOT_POINTS)]).snapshot()["means"] == {"loss": None, "accuracy": None}
    losses = np.random.default_rng(0).random(50_000)
    report = replace(steps(50_000, 50_000), loss=tuple(losses))
    history = history_of([STARTED, report])
    column = history.snapshot()["means"]["loss"]
    expected = [losses[first : first + 64].mean() for first in range(0, 50_000, 64)]
    assert column["x"] == [*range(64, 50_000, 64), 50_000] and column["y"] == pytest.approx(expected, abs=1e-5)
    assert len(column["x"]) <= SNAPSHOT_POINTS // 2


def test_an_update_has_means_where_it_cannot_have_all_points():
    history = history_of([STARTED, steps(1000, 1000)])
    mark = history.position()
    losses = np.random.default_rng(0).random(UPDATE_POINTS + 1)
    history.add([StoredEvent(3, replace(steps(1200, 200), loss=tuple(losses[:-1])))])
    assert history.update(mark)["means"] == {"loss": None, "accuracy": None}
    history.add([StoredEvent(4, replace(steps(1201, 1), loss=(losses[-1],)))])
    column = history.update(mark)["means"]["loss"]
    assert column["x"] == [1004, *range(1008, 1201, 4), 1201]  # intervals of four steps from step 1 on
    ends = [step - 1000 for step in column["x"]]
    expected = [losses[first:last].mean() for first, last in zip([0, *ends[:-1]], ends, strict=True)]
    assert column["y"] == pytest.approx(expected, abs=1e-5)
