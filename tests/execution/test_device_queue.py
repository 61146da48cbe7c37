"""One training per device at a time, in the order of the queue, for all processes."""

import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from cnn_core.cli import console
from cnn_core.device import device_id
from cnn_core.errors import RunError
from cnn_core.events import Event, Progress, Steps
from cnn_core.execution.device_queue import WAITING, acquire_device, device_lock, wait_for_device
from cnn_core.execution.in_process import execute
from cnn_core.execution.worker import Worker
from cnn_core.locks import try_lock
from cnn_core.runs.lock import IS_TRAINED, hold, worker_lock
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.helpers import drain, start_process, tiny_config


def is_its_turn(store: Store, run: str, *, is_worker: bool = False) -> bool:
    with acquire_device(store, run, is_worker=is_worker) as is_acquired:
        return is_acquired


def test_a_device_is_one_runs_at_a_time(store: Store, image_folder: Path):
    first, second = (store.create(tiny_config(image_folder)) for _ in range(2))
    with acquire_device(store, first, is_worker=True) as is_mine:
        assert is_mine and not is_its_turn(store, second, is_worker=True)
    assert is_its_turn(store, second, is_worker=True)


def test_a_run_waits_for_those_before_it_that_a_process_is_about_to_train(store: Store, image_folder: Path):
    first, second = (store.create(tiny_config(image_folder)) for _ in range(2))
    assert is_its_turn(store, second)  # nobody is there who would train the first
    with hold(store.home.run_folder(first)):
        assert not is_its_turn(store, second) and is_its_turn(store, first)
    with try_lock(worker_lock(store.home)):
        assert not is_its_turn(store, second) and is_its_turn(store, second, is_worker=True)
        RunOrganizer(store).move(second, 0)
        assert is_its_turn(store, second)


def test_a_run_that_has_to_wait_is_given_back_untouched_or_waits_as_requested(store: Store, image_folder: Path):
    first, second = (store.create(tiny_config(image_folder)) for _ in range(2))
    with hold(store.home.run_folder(first)):
        assert execute(store, second) == "queued" and store.log.read(second) == []
        waits: list[str] = []

        def wait() -> None:
            waits.append(store.run(second).status)
            if len(waits) == 3:
                store.requests.stop(first)

        assert execute(store, second, wait=wait) == "finished" and waits == ["queued"] * 3


@pytest.mark.parametrize("how", ["stopped by request", "interrupted"])
def test_a_run_that_waits_in_a_terminal_can_be_stopped_there_and_from_the_dashboard(store: Store, image_folder: Path, how: str):
    first, second = (store.create(tiny_config(image_folder)) for _ in range(2))
    waits: list[int] = []

    def wait() -> None:
        waits.append(1)
        if how == "stopped by request":
            store.requests.stop(second)

    with hold(store.home.run_folder(first)):
        status = execute(store, second, wait=wait, should_end=lambda: how == "interrupted" and len(waits) == 2)
    assert status == store.run(second).status == "stopped" and store.queue.waiting() == [first]


def test_of_two_workers_on_one_home_one_trains_and_the_other_takes_over(store: Store, image_folder: Path):
    workers = [Worker(store), Worker(Store(store.home))]
    for worker in workers:
        worker.start()
    try:
        runs = [store.create(tiny_config(image_folder)) for _ in range(2)]
        await_status(store, runs[0], "finished")
        workers.pop(0).stop()
        runs.append(store.create(tiny_config(image_folder)))
        for run in runs[1:]:
            await_status(store, run, "finished")
    finally:
        for worker in workers:
            worker.stop()


def test_a_terminal_waits_for_the_run_of_the_dashboard_and_then_trains(store: Store, image_folder: Path):
    worker = Worker(store)
    worker.start()
    try:
        long = store.create(tiny_config(image_folder, epochs=1000))
        await_status(store, long, "running")
        terminal = start_process(
            store.home, "-m", "cnn_core", "train", "--data", str(image_folder), "--epochs", "1", "--batch-size", "8"
        )
        assert "Run 0002" in terminal.stderr.readline()
        assert console.WAITING in terminal.stderr.readline()
        assert store.run("0002-pictures").status == "queued"
        store.requests.stop(long)
        assert terminal.wait(timeout=60) == 0 and store.run("0002-pictures").status == "finished"
    finally:
        worker.stop()
        terminal.kill()


def test_runs_of_several_processes_are_never_trained_at_the_same_time(store: Store, image_folder: Path):
    runs = [store.create(tiny_config(image_folder, epochs=3)) for _ in range(3)]
    at_work, most = [0], [0]
    guard = threading.Lock()

    def train(run: str) -> None:
        def watch(event: Event) -> None:
            if isinstance(event, Steps):
                with guard:
                    at_work[0] += 1
                    most[0] = max(most[0], at_work[0])
                time.sleep(0.01)
                with guard:
                    at_work[0] -= 1

        assert execute(store, run, watch=watch, wait=lambda: time.sleep(0.01)) == "finished"

    threads = [threading.Thread(target=train, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert most == [1] and {store.run(run).status for run in runs} == {"finished"}


def test_a_run_that_was_taken_by_another_process_is_still_refused(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    with hold(store.home.run_folder(run)), pytest.raises(RunError, match=IS_TRAINED.format(run=run)):
        execute(store, run, wait=lambda: None)


def await_status(store: Store, run: str, status: str, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while store.run(run).status != status:
        assert time.monotonic() < ends, store.run(run)
        time.sleep(0.02)


def test_other_work_on_the_device_waits_for_a_run_and_a_run_for_it(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))

    def work() -> Generator[Progress, None, str]:
        assert not is_its_turn(store, run)
        yield Progress("Working", 1, 2)
        return "done"

    with acquire_device(store, run, is_worker=True):
        steps = wait_for_device(store, "cpu", work())
        assert [next(steps).stage for _ in range(2)] == [WAITING] * 2
    seen, result = drain(steps)
    assert [event.stage for event in seen] == ["Working"] and result == "done"
    assert is_its_turn(store, run)


def test_other_work_that_is_given_up_leaves_the_device(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    steps = wait_for_device(store, "cpu", (Progress("Working", step, 9) for step in range(9)))
    assert next(steps).done == 0 and not is_its_turn(store, run)
    steps.close()
    assert is_its_turn(store, run)


def test_each_gpu_is_a_device_of_its_own(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    names = [device_id(torch.device(*device)) for device in (("cpu",), ("mps",), ("cuda", 0), ("cuda", 1))]
    assert names == ["cpu", "mps", "cuda-0", "cuda-1"] and len({device_lock(store, name) for name in names}) == 4
    with try_lock(device_lock(store, "cuda-0")) as is_locked:
        assert is_locked and is_its_turn(store, run)  # a run on the CPU does not wait for a GPU
    with try_lock(device_lock(store, "cpu")):
        assert not is_its_turn(store, run)
