"""The run store: one truth for many threads and processes, also when one of them is killed."""

import json
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.errors import RunError, StudioError
from cnn_core.home import CONFIG, Home
from cnn_core.runs.lock import hold
from cnn_core.runs.queue import NOT_RESUMABLE
from cnn_core.runs.run import STATUS_WORDS
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import is_a_sentence
from tests.runs.store_helpers import age, at_once, python


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


@pytest.mark.parametrize("name", ["../x", "0001-a/../../etc", "", "/etc/passwd", "0001-digits\n", "latest", "0009-digits"])
def test_unknown_runs_and_paths_in_place_of_names_are_refused_with_a_message(store: Store, name: str):
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

    def read_repeatedly() -> None:
        while not done.is_set():
            for run in store.queue.waiting():
                if run not in seen and not store.home.run_folder(run).is_dir():
                    without_folder.append(run)
                seen.add(run)

    looking = threading.Thread(target=read_repeatedly)
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
def test_an_unfinished_run_can_be_resumed_and_loses_its_error_and_earlier_requests(store: Store, status: str):
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
def test_a_completed_waiting_or_training_run_cannot_be_resumed(store: Store, status: str):
    run = store.create(make_config(), status)
    with (
        hold(store.home.run_folder(run)),
        pytest.raises(RunError, match=NOT_RESUMABLE.format(run=run, status=STATUS_WORDS[status])) as refusal,
    ):
        store.queue.resume(run)
    assert is_a_sentence(refusal.value) and store.run(run).status == status and not store.run(run).can_resume


@pytest.mark.parametrize("name", ["0009-digits", "../x", "latest"])
def test_a_missing_run_cannot_be_resumed(store: Store, name: str):
    with pytest.raises(RunError) as refusal:
        store.queue.resume(name)
    assert is_a_sentence(refusal.value)


def test_a_failed_run_keeps_its_sentence_and_its_summary(store: Store):
    run = store.create(make_config())
    store.set_status(run, "stopped", summary={"epochs": 1})
    store.set_status(run, "failed", error="The loss became nan.")
    row = store.run(run)
    assert (row.status, row.error, row.summary) == ("failed", "The loss became nan.", {"epochs": 1})


@pytest.mark.parametrize("what", ["a file in place of the home", "a folder in place of the file", "no database"])
def test_a_home_that_cannot_be_used_is_refused_with_a_message(tmp_path: Path, what: str):
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


def test_a_run_tells_which_version_of_the_data_it_was_given_once_it_has_begun(colours_run: Trained, store: Store):
    run = colours_run.run
    version = open_source(run.config.data, colours_run.home).info.fingerprint
    assert colours_run.store.data_version(run.id) == version != ""
    assert store.data_version(store.create(make_config())) == ""


def test_one_press_of_a_button_makes_one_run_however_often_it_is_sent(store: Store):
    ids = at_once(8, lambda number: Store(store.home).create(make_config(), submission="the same"))
    assert len(set(ids)) == 1 and [row.id for row in store.runs()] == ids[:1]
    others = at_once(2, lambda number: Store(store.home).create(make_config(), submission=f"of person {number}"))
    assert len({*others, *ids}) == 3 and len({store.create(make_config()) for _ in range(2)}) == 2


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


def test_a_run_that_ends_while_it_is_read_is_not_called_interrupted(store: Store, monkeypatch: pytest.MonkeyPatch):
    run = store.create(make_config())
    store.set_status(run, "running")
    monkeypatch.setattr("cnn_core.runs.run.GRACE_SECONDS", -1)

    def end_and_release(folder: Path) -> bool:
        store.set_status(run, "finished")
        return False

    assert store.run(run).status == "interrupted"
    monkeypatch.setattr("cnn_core.runs.run.is_held", end_and_release)
    assert store.run(run).status == "finished"
