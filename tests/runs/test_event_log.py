"""The event log and the requests of the run store."""

import signal
import time

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Resumed, Started, Steps
from cnn_core.home import WEIGHTS
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import start_process
from tests.runs.store_helpers import age, at_once, python, rows

EVENTS: list[Event] = [
    Progress("Reading images", 500, 60_000),
    Note("Left out: “café ☕.png” is damaged."),
    Started(506_154, "CPU, 2 threads", 900, 100, 200, 15, 3),
    Steps(1, 2, 128, (2.3, 2.2999999523162842), (0.125, 0.25), 0.001, 1234.5, 0.1, 0.11, 1_700_000_000.25),
    Epoch(1, 15, 2.0, 0.3, 1.9, 0.31, True, 0.7, 0.8),
    Resumed(1, 0),
    Finished(0.42, 1.75),
]


def test_events_come_back_as_they_went_in_and_in_order(store: Store):
    run, other = store.create(make_config()), store.create(make_config())
    for event in EVENTS[:3]:
        store.log.append(run, [event])
    store.log.append(other, [EVENTS[-1]])
    store.log.append(run, EVENTS[3:])
    assert store.log.read(run) == [StoredEvent(seq, event) for seq, event in enumerate(EVENTS, start=1)]
    assert store.log.read(other) == [StoredEvent(1, EVENTS[-1])]


def test_the_tail_has_what_came_after_and_nothing_else(store: Store):
    run = store.create(make_config())
    store.log.append(run, EVENTS)
    for since in range(len(EVENTS) + 2):
        assert store.log.read(run, since) == [StoredEvent(seq, EVENTS[seq - 1]) for seq in range(since + 1, len(EVENTS) + 1)]


def test_a_batch_of_events_is_added_as_a_whole_or_not_at_all(store: Store):
    run = store.create(make_config())

    def broken():
        yield EVENTS[0]
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        store.log.append(run, broken())
    assert store.log.read(run) == []


def test_what_another_process_appends_is_seen_here(store: Store):
    run = store.create(make_config())
    store.log.append(run, EVENTS[:1])
    script = "from cnn_core.events import Note\nStore(Home.from_environment()).log.append(sys.argv[1], [Note('from elsewhere')])"
    python(store.home, script, 1, run)
    assert store.log.read(run, since=1) == [StoredEvent(2, Note("from elsewhere"))]


def test_every_request_of_many_threads_and_processes_arrives(store: Store):
    run = store.create(make_config(), "running")
    script = "store = Store(Home.from_environment())\nfor _ in range(20): store.requests.stop(sys.argv[1])"
    assert not store.requests.should_stop(run)
    at_once(6, lambda number: [store.requests.stop(run) for _ in range(10)])
    python(store.home, script, 2, run)
    assert store.requests.should_stop(run)
    assert rows(store.home, "select count(*), count(distinct id) from requests where kind = 'stop'") == [(100, 100)]


def test_stopping_a_waiting_run_takes_it_out_of_the_queue(store: Store):
    run, other = store.create(make_config()), store.create(make_config())
    store.requests.stop(run)
    assert store.run(run).status == "stopped" and not store.run(run).is_active
    assert store.queue.waiting() == [other] and not store.requests.should_stop(other)
    assert not store.queue.start(run) and store.run(run).status == "stopped"


def test_stopping_a_running_run_leaves_that_to_the_one_who_trains_it(store: Store):
    run = store.create(make_config())
    store.queue.start(run)
    store.requests.stop(run)
    assert store.run(run).status == "running" and store.requests.should_stop(run)


def test_only_the_resumed_run_forgets_its_requests(store: Store):
    run, other = store.create(make_config(), "stopped"), store.create(make_config(), "running")
    for one in (run, other):
        store.requests.stop(one)
    store.queue.resume(run)
    assert store.requests.should_stop(other) and not store.requests.should_stop(run)


def test_a_run_whose_process_was_killed_is_interrupted_and_its_events_can_all_be_read(store: Store):
    arguments = ("train", "--epochs", "500", "--batch-size", "128", "--crop=0", "--validation-share", "0.5", "--device", "cpu")
    process = start_process(store.home, "-m", "cnn_core", *arguments)
    try:
        deadline = time.monotonic() + 90
        while not (runs := store.runs()) or not any(isinstance(item.event, Epoch) for item in store.log.read(runs[0].id)):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        run = runs[0].id
        assert store.run(run).status == "running"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    age(store.home, run)
    row = Store(store.home).run(run)
    assert row.status == "interrupted" and not row.is_active
    stored = store.log.read(run)
    assert [item.seq for item in stored] == list(range(1, len(stored) + 1))
    reached = 0
    for event in (item.event for item in stored):
        if isinstance(event, Steps):
            assert event.step - len(event.loss) == reached
            reached = event.step
    assert reached >= 5 and (store.home.run_folder(run) / WEIGHTS).is_file() and store.has_model(run)
    assert rows(store.home, "pragma integrity_check") == [("ok",)]


def test_a_real_runs_events_are_without_a_gap(digits_run: Trained):
    stored = digits_run.store.log.read(digits_run.id)
    assert [item.seq for item in stored] == list(range(1, len(stored) + 1))
    assert isinstance(stored[-1].event, Finished)


def test_requests_are_taken_once_in_their_order_and_a_stop_stays(store: Store):
    run, other = store.create(make_config(), "running"), store.create(make_config(), "running")
    store.requests.add(run, "pause")
    store.requests.add(run, "change", learning_rate=0.1, flip="off")
    store.requests.stop(run)
    store.requests.add(run, "continue")
    store.requests.add(other, "save")
    taken = [(request.kind, request.body) for request in store.requests.take(run)]
    assert taken == [("pause", {}), ("change", {"learning_rate": 0.1, "flip": "off"}), ("continue", {})]
    assert store.requests.take(run) == [] and store.requests.should_stop(run) and len(store.requests.take(other)) == 1
