"""What a person may still take: runs that wait and disk space, counted as the file system counts, and refused in words before anything begins."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.owners import write_owner
from cnn_core.errors import RunError
from cnn_core.execution.worker import Worker
from cnn_core.home import Home, epoch_file, saved_epochs
from cnn_core.runs.limits import Limits
from cnn_core.runs.organizer import ACTIVITIES, IS_ACTIVE, RunOrganizer
from cnn_core.runs.store import Store
from cnn_core.text import format_bytes
from tests.helpers import is_a_sentence

ANN, BEN = "ann@school.example", "ben@school.example"


def shared(home: Home, **limits: int) -> Store:
    return Store(home, Limits(**limits))


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.bin").write_bytes(bytes(count))


def test_a_person_may_have_so_many_runs_waiting_and_others_are_not_in_the_way(home: Home):
    store = shared(home, queue_limit=2)
    first, second = (store.create(make_config(), owner=ANN) for _ in range(2))
    with pytest.raises(RunError, match=r"\b2\b") as refusal:
        store.create(make_config(), owner=ANN)
    assert is_a_sentence(refusal.value) and store.queue.waiting() == [first, second]
    store.create(make_config(), owner=BEN)
    store.queue.start(first)
    store.create(make_config(), owner=ANN)


def test_a_second_click_on_the_last_place_gives_the_run_that_the_first_one_made(home: Home):
    store = shared(home, queue_limit=1)
    run = store.create(make_config(), owner=ANN, submission="one")
    assert store.create(make_config(), owner=ANN, submission="one") == run


def test_a_resumed_run_needs_a_place_in_the_queue_and_an_imported_one_does_not(home: Home):
    store = shared(home, queue_limit=1)
    stopped = store.create(make_config(), owner=ANN)
    store.requests.stop(stopped)
    store.create(make_config(), owner=ANN)
    with pytest.raises(RunError, match=r"\b1\b"):
        store.queue.resume(stopped)
    assert store.run(stopped).status == "stopped"
    store.create(make_config(), "finished", owner=ANN)


def test_disk_space_is_that_of_a_persons_runs_and_images_as_the_file_system_says(home: Home):
    store = shared(home, disk_quota=10**9)
    run, binned = (store.create(make_config(), owner=ANN) for _ in range(2))
    theirs = store.create(make_config(), owner=BEN)
    for name, count in ((run, 3000), (binned, 500), (theirs, 7)):
        fill(home.run_folder(name) / "epochs", count)
    store.requests.stop(binned)
    RunOrganizer(store).remove(binned)
    for place, owner, count in (
        ("sets/flowers", ANN, 40),
        ("importing/trees", ANN, 50),
        ("uploads/ab12", ANN, 60),
        (f"sets/{run}", ANN, 70),
        ("sets/all", "", 99),
    ):
        fill(home.data / place, count)
        write_owner(home.data / place, owner)
    places = [
        home.run_folder(run),
        home.run_folder(binned),
        *(home.data / name for name in ("sets/flowers", "importing/trees", "uploads/ab12", f"sets/{run}")),
    ]
    sizes = subprocess.run(
        ["find", *map(str, places), "-type", "f", "-printf", "%s\n"], capture_output=True, text=True, check=True
    )
    assert store.quota.used_bytes(ANN) == sum(map(int, sizes.stdout.split()))
    assert set(store.quota.sizes_of(ANN)) == set(places)


def test_an_exceeded_quota_refuses_a_run_names_the_largest_and_emptying_the_bin_makes_room(home: Home):
    store = shared(home, disk_quota=10**6)
    large = store.create(make_config(), "finished", owner=ANN)
    fill(home.run_folder(large), 10**6)
    full = format_bytes(10**6)
    with pytest.raises(RunError, match=f"{full}.*{full}.*{large}") as refusal:
        store.create(make_config(), owner=ANN)
    assert is_a_sentence(refusal.value)
    store.create(make_config(), owner=BEN)
    RunOrganizer(store).remove(large)
    with pytest.raises(RunError):
        store.create(make_config(), owner=ANN)
    assert RunOrganizer(store).empty_bin(ANN) == 1
    store.create(make_config(), owner=ANN)


def test_what_is_about_to_come_counts(home: Home):
    store = shared(home, disk_quota=10**6)
    store.quota.check_disk(ANN, 10**6)
    with pytest.raises(RunError, match=format_bytes(2 * 10**6)) as refusal:
        store.quota.check_disk(ANN, 2 * 10**6)
    assert is_a_sentence(refusal.value)


def test_emptying_ones_own_bin_leaves_everybody_elses(home: Home):
    store = shared(home)
    runs = [store.create(make_config(), "finished", owner=owner) for owner in (ANN, BEN)]
    for run in runs:
        RunOrganizer(store).remove(run)
    assert RunOrganizer(store).empty_bin(ANN) == 1
    assert [run.id for run in RunOrganizer(store).removed()] == [runs[1]]


def test_a_run_whose_turn_comes_when_no_space_is_left_is_not_begun_and_says_so(home: Home):
    store = shared(home, disk_quota=10**6)
    run = store.create(make_config(), owner=ANN)
    fill(home.run_folder(store.create(make_config(), "finished", owner=ANN)), 10**6)
    worker = Worker(store)
    worker.start()
    try:
        while store.run(run).is_active:
            time.sleep(0.05)
    finally:
        worker.stop()
    row = store.run(run)
    assert row.status == "failed" and is_a_sentence(row.error) and row.error.count(format_bytes(10**6)) >= 2


def test_a_person_of_a_hundred_runs_is_counted_in_a_moment(home: Home):
    store = shared(home, disk_quota=10**9)
    with store.database.connect() as db:
        for number in range(1, 101):
            db.execute(
                "insert into runs (id, created, status, config, owner) values (?, 0, 'finished', '{}', ?)",
                (f"{number:04d}-digits", ANN),
            )
            folder = home.run_folder(f"{number:04d}-digits") / "epochs"
            os.makedirs(folder)
            for file in range(10):
                (folder / f"{file}.bin").write_bytes(b"1")
    begun = time.process_time()
    assert store.quota.used_bytes(ANN) == 1000
    assert time.process_time() - begun < 1


def test_saved_epochs_are_deleted_except_the_best_and_the_last_one_and_all_else_of_the_run_stays(home: Home):
    organizer = RunOrganizer(shared(home))
    run = organizer.store.create(make_config())
    folder = home.run_folder(run)
    (folder / "epochs").mkdir()
    for epoch in (1, 3, 4, 9, 12):
        epoch_file(folder, epoch).write_bytes(bytes(epoch))
    fill(folder, 70)
    with pytest.raises(RunError, match=IS_ACTIVE.format(run=run, activity=ACTIVITIES["queued"])):
        organizer.free_space(run)
    organizer.store.set_status(run, "finished", summary={"best_epoch": 4})
    assert organizer.free_space(run) == 1 + 3 + 9 and organizer.free_space(run) == 0
    assert saved_epochs(folder) == [4, 12]
    assert {path.name for path in folder.iterdir()} == {"config.json", "weights.bin", "epochs"}
