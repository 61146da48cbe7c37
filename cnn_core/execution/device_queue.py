"""Whose turn it is: one training per device and studio home at a time, in the order of the queue, whichever processes the runs wait in."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cnn_core.device import choose_device
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.locks import is_locked, try_lock
from cnn_core.runs.lock import is_held, worker_lock
from cnn_core.runs.store import Store

WAIT_SECONDS = 0.5
Result = TypeVar("Result")


@contextmanager
def take_turn(store: Store, run: str, *, is_worker: bool) -> Iterator[bool]:
    """For the block, whether `run` has its device for itself: no other run trains there, and none is about to that waits before it.

    About to be trained is a run that a process holds; for all others but the worker, which goes through the queue from its
    beginning, also any run while there is a worker.
    """
    device = _device(store, run)
    with try_lock(_device_lock(store, device)) as is_free:
        any_counts = not is_worker and is_locked(worker_lock(store.home))
        yield is_free and not any(_waits_for(store, other, device, any_counts) for other in _before(store, run))


def in_turn(store: Store, device: str, steps: Generator[Progress, None, Result]) -> Generator[Progress, None, Result]:
    """Other work on `device` (as settings name it) than a run: it waits until no run trains there, and runs then wait for it. Raises DeviceError."""
    lock = _device_lock(store, choose_device(device).type)
    while True:
        with try_lock(lock) as is_free:
            if is_free:
                return (yield from steps)
        yield Progress("Waiting for the run that is training now", 0, 1)
        time.sleep(WAIT_SECONDS)


def _device_lock(store: Store, device: str) -> Path:
    return store.home.root / f".{device}.lock"


def _before(store: Store, run: str) -> list[str]:
    waiting = store.queue.waiting()
    return waiting[: waiting.index(run)] if run in waiting else []


def _waits_for(store: Store, run: str, device: str, any_counts: bool) -> bool:
    return (any_counts or is_held(store.home.run_folder(run))) and _device(store, run) == device


def _device(store: Store, run: str) -> str:
    try:
        return choose_device(store.run(run).config.device).type
    except StudioError:  # it will be refused when its turn comes
        return "cpu"
