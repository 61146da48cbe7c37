"""The run store: one truth for many threads and processes, also when one of them is killed."""

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.errors import RunError, StudioError
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Resumed, Started, Steps
from cnn_core.home import CONFIG, WEIGHTS, Home
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import is_a_sentence, start_process

Result = TypeVar("Result")
EVENTS: list[Event] = [
    Progress("Reading images", 500, 60_000),
    Note("Left out: “café ☕.png” is damaged."),
    Started(506_154, "CPU, 2 threads", 900, 100, 200, 15, 3),
    Steps(1, 2, 128, (2.3, 2.2999999523162842), (0.125, 0.25), 0.001, 1234.5, 0.1, 0.11, 1_700_000_000.25),
    Epoch(1, 15, 2.0, 0.3, 1.9, 0.31, True, 0.7, 0.8),
    Resumed(1, 0),
    Finished(0.42, 1.75),
]


def at_once(count: int, act: Callable[[int], Result]) -> list[Result]:
    """The results of `act(0)`, `act(1)`, …, all called at the same moment from threads of their own."""
    barrier = threading.Barrier(count)

    def call(number: int) -> Result:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def python(home: Home, script: str, count: int = 1, *arguments: str) -> list[str]:
    """What `count` processes running `script` at the same time print; each must end well."""
    code = "import sys\nfrom cnn_core.home import Home\nfrom cnn_core.runs.store import Store\n" + script
    processes = [start_process(home, "-c", code, *arguments) for _ in range(count)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outputs
    return [out for out, _ in outputs]


def rows(home: Home, query: str) -> list[tuple]:
    with sqlite3.connect(home.database) as db:
        return db.execute(query).fetchall()


def age(home: Home, run: str) -> None:
    """Let the run be an hour old."""
    with sqlite3.connect(home.database) as db:
        db.execute("update runs set created = created - 3600 where id = ?", (run,))


def test_runs_are_numbered_and_named_after_their_data(store: Store):
    names = ["digits", "/data/My Photos (2024)/", "cifar10", "/", "/äöü", "/" + "x" * 200]
    ids = [store.create(make_config(data=name)) for name in names]
    assert ids[:3] == ["0001-digits", "0002-my-photos-2024", "0003-cifar10"]
    assert ids[3:5] == ["0004-images", "0005-images"] and ids[5].startswith("0006-xxx") and len(ids[5]) < 60
    assert [store.run(run).id for run in ids] == ids


def test_ten_thousand_runs_are_not_too_many(store: Store):
    store.create(make_config())
    with sqlite3.connect(store.home.database) as db:
        db.execute("update sqlite_sequence set seq = 9999")
    run = store.create(make_config())
    assert run == "10000-digits" and store.run(run).status == "queued"
    assert [row.id for row in store.runs()] == ["10000-digits", "0001-digits"]


def test_a_new_run_waits_with_its_settings_in_its_folder(store: Store):
    config = make_config(epochs=7, learning_rate=0.5)
    before = time.time()
    row = store.run(store.create(config))
    assert (row.status, row.config, row.summary, row.error, row.is_active) == ("queued", config, {}, "", True)
    assert before <= row.created <= time.time()
    assert json.loads((store.home.run_folder(row.id) / CONFIG).read_text()) == config.model_dump()
    assert not store.has_model(row.id)


def test_runs_are_listed_newest_first_and_wait_oldest_first(store: Store):
    ids = [store.create(make_config()) for _ in range(4)]
    assert [row.id for row in store.runs()] == ids[::-1]
    store.queue.start(ids[1])
    assert store.queue.waiting() == [ids[0], ids[2], ids[3]]


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


@pytest.mark.parametrize("name", ["../x", "0001-a/../../etc", "", "/etc/passwd", "0001-digits\n", "latest", "0009-digits"])
def test_unknown_runs_and_paths_in_place_of_names_are_refused_in_words(store: Store, name: str):
    store.create(make_config())
    with pytest.raises(RunError) as refusal:
        store.run(name)
    assert is_a_sentence(refusal.value)
    if name != "0009-digits":
        with pytest.raises(RunError):
            store.has_model(name)


def test_exactly_one_of_many_callers_starts_a_run(store: Store):
    for _ in range(5):
        run = store.create(make_config())
        assert sorted(at_once(6, lambda number, run=run: store.queue.start(run))) == [False] * 5 + [True]
        assert store.run(run).status == "running" and store.queue.waiting() == []


def test_exactly_one_of_many_processes_starts_a_run(store: Store):
    runs = [store.create(make_config()) for _ in range(30)]
    script = "store = Store(Home.from_environment())\nprint(*[run for run in sys.argv[1:] if store.queue.start(run)])"
    started = [output.split() for output in python(store.home, script, 3, *runs)]
    assert sorted(run for one in started for run in one) == runs


def test_many_processes_may_make_the_store_and_runs_in_it_at_the_same_time(home: Home):
    script = "from cnn_core.config.defaults import make_config\n"
    script += "print(*[Store(Home.from_environment()).create(make_config()) for _ in range(5)])"
    ids = sorted(run for output in python(home, script, 4) for run in output.split())
    assert ids == [f"{number:04d}-digits" for number in range(1, 21)]
    assert sorted(row.id for row in Store(home).runs()) == ids
    assert all((home.run_folder(run) / CONFIG).is_file() for run in ids)


def test_many_threads_may_make_the_store_at_the_same_time(home: Home):
    ids = at_once(8, lambda number: Store(home).create(make_config()))
    assert sorted(ids) == [f"{number:04d}-digits" for number in range(1, 9)]


def test_whoever_sees_a_run_finds_its_folder_too(store: Store):
    """A worker that polls takes a run the moment it is in the queue; without its folder it could not lock it."""
    done, without_folder, seen = threading.Event(), [], set()

    def look() -> None:
        while not done.is_set():
            for run in store.queue.waiting():
                if run not in seen and not store.home.run_folder(run).is_dir():
                    without_folder.append(run)
                seen.add(run)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(150):
            store.create(make_config())
    finally:
        done.set()
        looking.join()
    assert len(seen) > 10 and without_folder == []


def test_a_running_run_that_nobody_holds_is_called_interrupted_after_a_moment(store: Store):
    run = store.create(make_config(), "running")
    assert store.run(run).status == "running"  # its trainer may be about to take it
    age(store.home, run)
    assert store.run(run).status == store.runs()[0].status == "interrupted" and not store.run(run).is_active
    with hold(store.home.run_folder(run)):
        assert store.run(run).status == "running"
    store.set_status(run, "finished", summary={"epochs": 3})
    assert store.run(run).status == "finished" and store.run(run).summary == {"epochs": 3}


def test_a_waiting_run_is_never_called_interrupted(store: Store):
    run = store.create(make_config())
    age(store.home, run)
    assert store.run(run).status == "queued"


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_a_run_that_ended_before_it_was_done_can_go_on_and_forgets_its_error_and_earlier_requests(store: Store, status: str):
    run = store.create(make_config(), "running")
    store.requests.stop(run)
    if status == "interrupted":
        age(store.home, run)
    else:
        store.set_status(run, status, summary={"epochs": 1}, error="Something was wrong.")
    assert store.run(run).status == status and store.run(run).can_resume and store.requests.should_stop(run)
    store.queue.resume(run)
    row = store.run(run)
    assert (row.status, row.error, row.can_resume) == ("queued", "", False) and not store.requests.should_stop(run)
    assert store.queue.waiting() == [run] and store.queue.start(run)


@pytest.mark.parametrize("status", ["finished", "queued", "running"])
def test_a_run_that_is_done_waits_or_trains_cannot_go_on(store: Store, status: str):
    run = store.create(make_config(), status)
    with hold(store.home.run_folder(run)), pytest.raises(RunError, match=f"Run {run} is {status}. Only a run") as refusal:
        store.queue.resume(run)
    assert is_a_sentence(refusal.value) and store.run(run).status == status and not store.run(run).can_resume


@pytest.mark.parametrize("name", ["0009-digits", "../x", "latest"])
def test_a_run_that_is_not_there_cannot_go_on(store: Store, name: str):
    with pytest.raises(RunError) as refusal:
        store.queue.resume(name)
    assert is_a_sentence(refusal.value)


def test_only_the_resumed_run_forgets_its_requests(store: Store):
    run, other = store.create(make_config(), "stopped"), store.create(make_config(), "running")
    for one in (run, other):
        store.requests.stop(one)
    store.queue.resume(run)
    assert store.requests.should_stop(other) and not store.requests.should_stop(run)


def test_a_failed_run_keeps_its_sentence_and_its_summary(store: Store):
    run = store.create(make_config())
    store.set_status(run, "stopped", summary={"epochs": 1})
    store.set_status(run, "failed", error="The loss became nan.")
    row = store.run(run)
    assert (row.status, row.error, row.summary) == ("failed", "The loss became nan.", {"epochs": 1})


@pytest.mark.parametrize("what", ["a file in place of the home", "a folder in place of the file", "no database"])
def test_a_home_that_cannot_be_used_is_refused_in_words(tmp_path: Path, what: str):
    home = Home(tmp_path / "studio")
    if what == "a file in place of the home":
        home.root.write_text("in the way")
    else:
        home.root.mkdir()
        if what == "no database":
            home.database.write_bytes(b"this is no database at all" * 100)
        else:
            home.database.mkdir()
    with pytest.raises(StudioError, match="CNN_STUDIO_HOME") as refusal:
        Store(home)
    assert is_a_sentence(refusal.value) and str(home.root) in str(refusal.value)


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


def test_a_run_tells_which_version_of_the_data_it_was_given_once_it_has_begun(colours_run: Trained, store: Store):
    run = colours_run.run
    version = open_source(run.config.data, colours_run.home).info.fingerprint
    assert colours_run.store.data_version(run.id) == version != ""
    assert store.data_version(store.create(make_config())) == ""


def test_one_press_of_a_button_makes_one_run_however_often_it_is_sent(store: Store):
    ids = at_once(8, lambda number: Store(store.home).create(make_config(), press="the same"))
    assert len(set(ids)) == 1 and [row.id for row in store.runs()] == ids[:1]
    others = at_once(2, lambda number: Store(store.home).create(make_config(), press=f"of person {number}"))
    assert len({*others, *ids}) == 3 and len({store.create(make_config()) for _ in range(2)}) == 2


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


def test_a_run_remembers_which_run_it_branched_from(store: Store):
    parent = store.create(make_config())
    child = store.create(make_config(), parent=parent, parent_epoch=3)
    assert (store.run(child).parent, store.run(child).parent_epoch) == (parent, 3) and store.run(parent).parent == ""


def test_a_paused_run_is_active_and_interrupted_once_nobody_holds_it(store: Store):
    run = store.create(make_config(), "paused")
    age(store.home, run)
    with hold(store.home.run_folder(run)):
        assert store.run(run).status == "paused" and store.run(run).is_active
    assert store.run(run).status == "interrupted" and store.run(run).can_resume


def test_a_run_says_who_started_it_and_what_made_it(store: Store):
    by_hand = store.create(make_config(), owner="ada@example.org")
    trials = [store.create(make_config(seed=number), origin=f"search/widths/{number}") for number in range(3)]
    store.create(make_config(), origin="search/widths-too/0")
    assert (store.run(by_hand).owner, store.run(by_hand).origin) == ("ada@example.org", "")
    assert [run.id for run in store.created_by("search/widths")] == trials
    assert store.run(trials[0]).owner == "" and store.created_by("search/none") == []
