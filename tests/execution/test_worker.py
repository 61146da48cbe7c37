"""The background worker, with real trainings and imports: order, ending, and errors that must not end it."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.jobs import Jobs
from cnn_core.events import Epoch, Steps
from cnn_core.execution.worker import Worker
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence, tiny_config


@pytest.fixture
def worker(store: Store) -> Iterator[Worker]:
    worker = Worker(store)
    worker.start()
    yield worker
    worker.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def has_epochs(store: Store, run: str, count: int = 1) -> bool:
    return sum(isinstance(stored.event, Epoch) for stored in store.log.read(run)) >= count


def step_times(store: Store, run: str) -> list[float]:
    return [stored.event.at for stored in store.log.read(run) if isinstance(stored.event, Steps)]


def test_queued_runs_are_trained_in_order_and_one_at_a_time(store: Store, worker: Worker, image_folder: Path):
    worker.warm_up()
    runs = [store.create(tiny_config(image_folder, epochs=500)) for _ in range(3)]
    for run in runs:
        wait_until(lambda run=run: has_epochs(store, run, 2))
        assert [row.id for row in store.runs() if row.status == "running"] == [run]
        store.requests.stop(run)
    wait_until(lambda: store.run(runs[2]).status == "stopped")
    assert [store.run(run).status for run in runs] == ["stopped"] * 3
    times = [step_times(store, run) for run in runs]
    assert times[0][-1] < times[1][0] <= times[1][-1] < times[2][0]


def test_stopping_the_worker_ends_the_run_keeps_its_model_and_leaves_the_queue(store: Store, image_folder: Path):
    worker = Worker(store)
    running, waiting = (store.create(tiny_config(image_folder, epochs=1000)) for _ in range(2))
    worker.start()
    wait_until(lambda: has_epochs(store, running))
    worker.stop()
    assert store.run(running).status == "stopped" and store.has_model(running)
    assert store.run(waiting).status == "queued" and store.log.read(waiting) == []


def test_a_run_that_fails_does_not_keep_the_next_one_waiting(store: Store, worker: Worker, image_folder: Path, tmp_path: Path):
    shutil.copytree(image_folder, tmp_path / "moved")
    failing = store.create(tiny_config(tmp_path / "moved"))
    shutil.rmtree(tmp_path / "moved")
    following = store.create(tiny_config(image_folder, epochs=500))
    wait_until(lambda: has_epochs(store, following))
    assert store.run(failing).status == "failed" and "moved" in store.run(failing).error


def test_a_run_whose_folder_was_deleted_does_not_end_the_worker(store: Store, image_folder: Path):
    lost = store.create(tiny_config(image_folder, epochs=1000))
    shutil.rmtree(store.home.run_folder(lost))
    following = store.create(tiny_config(image_folder, epochs=1000))
    worker = Worker(store)
    worker.start()
    try:
        wait_until(lambda: store.run(lost).status != "queued" and has_epochs_or_ended(store, lost))
        store.requests.stop(lost)
        wait_until(lambda: has_epochs(store, following))
    finally:
        worker.stop()


def test_a_run_whose_folder_cannot_be_used_does_not_keep_the_next_one_waiting(store: Store, worker: Worker, image_folder: Path):
    blocked = store.create(tiny_config(image_folder))
    shutil.rmtree(store.home.run_folder(blocked))
    store.home.run_folder(blocked).write_text("in the way")
    following = store.create(tiny_config(image_folder, epochs=1000))
    wait_until(lambda: has_epochs(store, following))


def test_a_run_that_another_process_holds_is_trained_once_it_is_free(store: Store, worker: Worker, image_folder: Path):
    with hold(store.home.run_folder(run := store.create(tiny_config(image_folder, epochs=1000), "held"))):
        with sqlite3.connect(store.home.database) as db:
            db.execute("update runs set status = 'queued' where id = ?", (run,))
        time.sleep(0.6)  # the worker looks at the queue every 0.2 seconds
        assert store.run(run).status == "queued" and store.log.read(run) == []
    wait_until(lambda: has_epochs(store, run))


def has_epochs_or_ended(store: Store, run: str) -> bool:
    return not store.run(run).is_active or has_epochs(store, run)


def job_status(store: Store, name: str) -> str:
    return next(job.status for job in Jobs(store.home).all() if job.name == name)


def test_an_import_is_done_while_a_run_is_trained(store: Store, worker: Worker, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=1000))
    wait_until(lambda: has_epochs(store, run))
    Jobs(store.home).add("colours", str(image_folder))
    wait_until(lambda: job_status(store, "colours") == "finished")
    assert store.run(run).status == "running"
    assert ImportedSource(store.home.set_folder("colours")).info.train_count == 24


def test_an_import_that_fails_does_not_keep_the_next_one_waiting(
    store: Store, worker: Worker, image_folder: Path, tmp_path: Path
):
    jobs = Jobs(store.home)
    jobs.add("lost", str(tmp_path / "nowhere"))
    jobs.add("colours", str(image_folder))
    wait_until(lambda: job_status(store, "colours") == "finished")
    (lost,) = [job for job in jobs.all() if job.name == "lost"]
    assert lost.status == "failed" and is_a_sentence(lost.error)


def test_an_import_that_was_running_when_its_server_died_is_done_by_the_next_one(store: Store, image_folder: Path):
    jobs = Jobs(store.home)
    jobs.add("colours", str(image_folder))
    with sqlite3.connect(store.home.data / "jobs.db") as db:
        db.execute("update jobs set status = 'running'")
    worker = Worker(store)
    worker.start()
    try:
        wait_until(lambda: job_status(store, "colours") == "finished")
    finally:
        worker.stop()
