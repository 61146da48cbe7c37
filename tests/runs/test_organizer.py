"""Names, notes, tags, the bin and the queue's order: kept by the store, refused in words, and nothing lost by accident."""

import sqlite3
from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.errors import RunError
from cnn_core.events import Note
from cnn_core.home import CONFIG
from cnn_core.runs.organizer import ACTIVITIES, IS_ACTIVE, RunOrganizer
from cnn_core.runs.run import NO_RUN
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence


@pytest.fixture
def organizer(store: Store) -> RunOrganizer:
    return RunOrganizer(store)


def ended(store: Store, status: str = "finished") -> str:
    run = store.create(make_config())
    store.set_status(run, status)
    return run


def test_a_run_is_given_a_name_notes_and_tags_and_keeps_what_is_not_given_anew(organizer: RunOrganizer):
    run, other = ended(organizer.store), ended(organizer.store)
    organizer.describe(run, name="  Baseline ☕ ", notes="first\ntry", tags=["b", "a", "a", " "])
    organizer.describe(run, notes="")
    row = organizer.store.run(run)
    assert (row.name, row.notes, row.tags) == ("Baseline ☕", "", ("a", "b"))
    organizer.describe(run, name="", tags=[])
    assert organizer.store.run(run).name == "" and organizer.store.run(run).tags == () and organizer.store.run(other).name == ""


@pytest.mark.parametrize(
    "given",
    [{"name": "x" * 81}, {"notes": "x" * 4001}, {"tags": ["x" * 31]}, {"tags": [str(n) for n in range(13)]}],
    ids=lambda given: next(iter(given)),
)
def test_what_is_too_long_is_refused_with_a_message_and_changes_nothing(organizer: RunOrganizer, given: dict):
    run = ended(organizer.store)
    organizer.describe(run, name="kept", notes="kept", tags=["kept"])
    with pytest.raises(RunError) as refusal:
        organizer.describe(run, **given)
    row = organizer.store.run(run)
    assert is_a_sentence(refusal.value) and (row.name, row.notes, row.tags) == ("kept", "kept", ("kept",))


def test_a_run_that_is_not_there_cannot_be_described(organizer: RunOrganizer):
    with pytest.raises(RunError) as refusal:
        organizer.describe("0099-digits", name="x")
    assert str(refusal.value) == NO_RUN.format(run="0099-digits", home=organizer.store.home.root)


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_the_bin_keeps_everything_and_gives_it_back(organizer: RunOrganizer, status: str):
    store, run, other = organizer.store, ended(organizer.store, status), ended(organizer.store)
    store.log.append(run, [Note("kept")])
    before = store.run(run)
    organizer.remove(run)
    assert [row.id for row in store.runs()] == [other] and [row.id for row in organizer.removed()] == [run]
    organizer.restore(run)
    assert store.run(run) == before and [row.id for row in store.runs()] == [other, run] and organizer.removed() == []
    assert [stored.event for stored in store.log.read(run)] == [Note("kept")]


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_run_that_waits_or_trains_cannot_be_removed(organizer: RunOrganizer, status: str):
    run = ended(organizer.store, status)
    with pytest.raises(RunError, match=IS_ACTIVE.format(run=run, activity=ACTIVITIES[status])) as refusal:
        organizer.remove(run)
    assert is_a_sentence(refusal.value) and [row.id for row in organizer.store.runs()] == [run]


def test_an_emptied_bin_takes_the_files_and_the_events_of_its_runs_and_of_no_others(organizer: RunOrganizer):
    store, gone, remaining = organizer.store, ended(organizer.store), ended(organizer.store)
    for run in (gone, remaining):
        store.log.append(run, [Note("mine")])
    organizer.remove(gone)
    assert organizer.empty_bin() == 1 and organizer.empty_bin() == 0
    assert not store.home.run_folder(gone).exists() and (store.home.run_folder(remaining) / CONFIG).is_file()
    assert store.log.read(gone) == [] and len(store.log.read(remaining)) == 1
    with pytest.raises(RunError):
        store.run(gone)
    assert store.create(make_config()) == "0003-digits"  # a number is never given twice


@pytest.mark.parametrize(
    ("run", "place", "expected"), [(3, 0, [3, 0, 1, 2]), (0, 3, [1, 2, 3, 0]), (1, 2, [0, 2, 1, 3]), (2, 9, [0, 1, 3, 2])]
)
def test_the_order_of_the_queue_can_be_changed_and_later_runs_come_last(
    organizer: RunOrganizer, run: int, place: int, expected: list[int]
):
    runs = [organizer.store.create(make_config()) for _ in range(4)]
    organizer.move(runs[run], place)
    assert organizer.store.queue.waiting() == [runs[number] for number in expected]
    assert (
        organizer.store.queue.waiting()[-1] != (last := organizer.store.create(make_config()))
        and organizer.store.queue.waiting()[-1] == last
    )


def test_moving_what_does_not_wait_changes_nothing(organizer: RunOrganizer):
    runs = [organizer.store.create(make_config()) for _ in range(3)]
    organizer.store.queue.start(runs[0])
    organizer.move(runs[0], 1)
    organizer.move("0099-digits", 0)
    assert organizer.store.queue.waiting() == runs[1:]


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_runs(store: Store, tmp_path: Path):
    run = store.create(make_config(epochs=3))
    store.log.append(run, [Note("old")])
    with sqlite3.connect(store.home.database) as db:  # as the first version left it
        db.executescript("""
            create table old as select number, id, created, status, config, summary, error from runs;
            drop table runs;
            create table runs (number integer primary key autoincrement, id text unique, created real not null,
                status text not null, config text not null, summary text not null default '{}', error text not null default '');
            insert into runs select * from old;
            drop table old;
            drop table digests;
            drop index rare;
            drop table attempts;
            drop table shared_runs;
            drop table requests;
            create table requests (id integer primary key, run text not null, kind text not null, created real not null);
            pragma user_version = 0;
        """)
    newer = Store(store.home)
    assert newer.run(run).config == make_config(epochs=3) and newer.run(run).name == "" and newer.queue.waiting() == [run]
    assert [stored.event for stored in newer.log.read(run)] == [Note("old")]
    newer.requests.add(run, "save")
    RunOrganizer(newer).describe(run, name="named")
    assert Store(store.home).run(run).name == "named" and len(Store(store.home).requests.take(run)) == 1
