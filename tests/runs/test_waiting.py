"""The line of waiting runs: each run's place, what it waits for, and the time that the training run still needs."""

from cnn_core.config.defaults import make_config
from cnn_core.runs import waiting
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from cnn_core.runs.waiting import BEFORE, NEXT, PAUSED, PLACE, TIME_LEFT, TRAINS, WaitingLine
from cnn_core.text import counted, format_duration
from tests.pages.manual_run import started, steps


def test_a_run_at_the_head_of_the_line_starts_as_soon_as_the_device_is_free(store: Store):
    run = store.create(make_config())
    assert WaitingLine(store).describe(run) == f"{PLACE.format(place=1, count=1)} {NEXT}"


def test_a_waiting_run_is_told_its_place_the_training_run_and_its_time_left(store: Store):
    current = store.create(make_config(), status="running")
    first, second = store.create(make_config()), store.create(make_config())
    with hold(store.home.run_folder(current)):
        line = WaitingLine(store)
        assert line.describe(first) == f"{PLACE.format(place=1, count=2)} {TRAINS.format(run=current)}"
        store.log.append(current, [started(10_000, 4), steps(1, 10_000)])  # 100 s for a quarter of the run
        left = TIME_LEFT.format(run=current, time=format_duration(300))
        line = WaitingLine(store)
        assert line.describe(first) == f"{PLACE.format(place=1, count=2)} {left}"
        before = BEFORE.format(runs=counted(1, "other run"))
        assert line.describe(second) == f"{PLACE.format(place=2, count=2)} {left} {before}"


def test_a_run_that_waits_for_a_paused_one_is_told_so(store: Store):
    current, run = store.create(make_config(), status="paused"), store.create(make_config())
    with hold(store.home.run_folder(current)):
        store.log.append(current, [started(), steps(1, 10)])
        assert WaitingLine(store).describe(run).endswith(PAUSED.format(run=current))


def test_a_run_that_does_not_wait_has_no_text_and_the_line_moves_on(store: Store, monkeypatch):
    monkeypatch.setattr(waiting, "READ_SECONDS", 0.0)
    first, second = store.create(make_config()), store.create(make_config())
    line = WaitingLine(store)
    assert line.describe(second).startswith(PLACE.format(place=2, count=2))
    store.requests.stop(first)
    assert line.describe(first) == "" and line.describe(second).startswith(PLACE.format(place=1, count=1))
