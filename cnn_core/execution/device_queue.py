"""The device queue: one training per device and studio home at a time, in the order of the queue, for all processes of a machine.

In: a run, or other work that needs a device. Out: the lock of the device, or whether it is in use. A device is one GPU ("cuda-0"), or the CPU.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cnn_core.device import choose_device, device_id
from cnn_core.errors import StudioError, UnreadableRunError
from cnn_core.events import Progress
from cnn_core.locks import is_locked, try_lock
from cnn_core.runs.lock import is_held, worker_lock
from cnn_core.runs.store import Store

WAIT_SECONDS = 0.5
WAITING = "Waiting for the device: a run is training on it"
Result = TypeVar("Result")


@contextmanager
def acquire_device(store: Store, run: str, *, is_worker: bool) -> Iterator[bool]:
    """Hold the device of `run` during the block; the value is False when another run trains there, or a run before it in the
    queue will train there next.

    The latter are runs whose lock a process holds and, while there is a worker, all waiting runs; the worker itself ignores these, since it
    takes the queue in order.
    """
    device = _device_of(store, run)
    with try_lock(device_lock(store, device)) as is_free:
        has_worker = not is_worker and is_locked(worker_lock(store.home))
        yield is_free and not any(_is_ahead(store, other, device, has_worker) for other in _runs_before(store, run))


def wait_for_device(store: Store, device: str, steps: Generator[Progress, None, Result]) -> Generator[Progress, None, Result]:
    """Run `steps` on `device` (as settings name it) once no run trains there; runs then wait until it is done. Raises DeviceError."""
    lock = device_lock(store, device_id(choose_device(device)))
    while True:
        with try_lock(lock) as is_free:
            if is_free:
                return (yield from steps)
        yield Progress(WAITING, 0, 1)
        time.sleep(WAIT_SECONDS)


def device_lock(store: Store, device: str) -> Path:
    """Return the file whose lock the process holds that uses `device` (see `device_id`)."""
    return store.home.root / f".{device}.lock"


def _runs_before(store: Store, run: str) -> list[str]:
    waiting = store.queue.waiting()
    return waiting[: waiting.index(run)] if run in waiting else []


def _is_ahead(store: Store, run: str, device: str, has_worker: bool) -> bool:
    """Whether `run`, which is earlier in the queue, will train on `device` next."""
    return (has_worker or is_held(store.home.run_folder(run))) and _device_of(store, run) == device


def _device_of(store: Store, run: str) -> str:
    try:
        return device_id(choose_device(store.run(run).config.device))
    except UnreadableRunError:  # this version does not start it
        return ""
    except StudioError:  # the run fails when it is started
        return "cpu"
