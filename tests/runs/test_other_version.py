"""Runs that a later version made: they are left out with a message, and all other runs can be used."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.errors import UnreadableRunError
from cnn_core.events import Note
from cnn_core.execution.device_queue import acquire_device
from cnn_core.execution.in_process import execute
from cnn_core.locks import try_lock
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.lock import hold, worker_lock
from cnn_core.runs.run import ARE_UNREADABLE, describe_unreadable
from cnn_core.runs.store import Store
from tests.cli.commands import answer, refusal
from tests.helpers import is_a_sentence, tiny_config


def change_row(store: Store, run: str, column: str, change: Callable[[str], str]) -> None:
    with closing(sqlite3.connect(store.home.database)) as db, db:
        (value,) = db.execute(f"select {column} from runs where id = ?", (run,)).fetchone()
        db.execute(f"update runs set {column} = ? where id = ?", (change(value), run))


def with_setting(name: str, value: object) -> Callable[[str], str]:
    return lambda config: json.dumps({**json.loads(config), name: value})


LATER: dict[str, tuple[str, Callable[[str], str]]] = {
    "another setting": ("config", with_setting("quantise", True)),
    "another value": ("config", with_setting("optimizer", "lion")),
    "another model": ("config", with_setting("model", "vit")),
    "no JSON": ("config", lambda config: "later: format"),
    "another status": ("status", lambda status: "archived"),
}


@pytest.fixture(params=LATER.values(), ids=LATER.keys())
def later(store: Store, request: pytest.FixtureRequest) -> str:
    """Return a run that a later version made, between two runs of this version."""
    runs = [store.create(make_config()) for _ in range(3)]
    change_row(store, runs[1], *request.param)
    return runs[1]


def test_it_is_left_out_and_named_and_the_other_runs_stay(store: Store, later: str):
    assert [run.id for run in store.runs()] == ["0003-digits", "0001-digits"]
    assert store.unreadable_runs() == [later] and is_a_sentence(describe_unreadable([later]))
    with pytest.raises(UnreadableRunError, match=later) as refused:
        store.run(later)
    assert is_a_sentence(refused.value)


def test_the_command_line_lists_the_others_and_names_it(store: Store, later: str, capsys: pytest.CaptureFixture[str]):
    entries = answer(capsys, "runs")
    assert [entry["run"] for entry in entries] == ["0003-digits", "0001-digits", later]
    assert entries[2]["status"] not in ("queued", entries[0]["status"])
    assert later in refusal(capsys, "runs", later) and later in refusal(capsys, "predict", later, "x.png")


def test_many_of_them_are_named_in_one_short_sentence():
    assert describe_unreadable(["0001-x"]) == ARE_UNREADABLE.format(runs="1 run", names="0001-x")
    sentence = describe_unreadable([f"{number:04d}-digits" for number in range(500)])
    assert "500 runs" in sentence and len(sentence) < 400 and is_a_sentence(sentence)


def test_it_keeps_its_place_in_the_queue_and_blocks_no_other_run(store: Store, image_folder: Path):
    first, second = (store.create(tiny_config(image_folder, epochs=1)) for _ in range(2))
    change_row(store, first, "config", with_setting("quantise", True))
    with pytest.raises(UnreadableRunError):
        execute(store, first)
    assert store.queue.waiting() == [first, second]
    with try_lock(worker_lock(store.home)), acquire_device(store, second, is_worker=False) as is_acquired:
        assert is_acquired
    with hold(store.home.run_folder(first)), acquire_device(store, second, is_worker=False) as is_acquired:
        assert is_acquired
    assert execute(store, second) == "finished"


def test_events_and_fields_that_only_a_later_version_knows_are_left_out(store: Store):
    run = store.create(make_config())
    store.log.append(run, [Note("one")])
    with closing(sqlite3.connect(store.home.database)) as db, db:
        db.execute("insert into events values (?, 2, 'Pruned', '{\"channels\": 3}')", (run,))
        db.execute('insert into events values (?, 3, \'Note\', \'{"text": "two", "level": 3}\')', (run,))
    assert store.log.read(run) == [StoredEvent(1, Note("one")), StoredEvent(3, Note("two"))]
