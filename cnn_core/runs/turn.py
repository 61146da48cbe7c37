"""Whose turn it is: one training per device and studio home at a time, in the order of the queue, whichever processes the runs wait in."""

from collections.abc import Iterator
from contextlib import contextmanager

from cnn_core.device import choose_device
from cnn_core.errors import StudioError
from cnn_core.files import is_locked, try_lock
from cnn_core.runs.lock import is_held, worker_lock
from cnn_core.runs.store import Store


@contextmanager
def take_turn(store: Store, run: str, *, is_worker: bool) -> Iterator[bool]:
    """For the block, whether `run` has its device for itself: no other run trains there, and none is about to that waits before it.

    About to be trained is a run that a process holds; for all others but the worker, which goes through the queue from its
    beginning, also any run while there is a worker.
    """
    device = _device(store, run)
    with try_lock(store.home.root / f".{device}.lock") as is_free:
        any_counts = not is_worker and is_locked(worker_lock(store.home))
        yield is_free and not any(_waits_for(store, other, device, any_counts) for other in _before(store, run))


def _before(store: Store, run: str) -> list[str]:
    waiting = store.waiting()
    return waiting[: waiting.index(run)] if run in waiting else []


def _waits_for(store: Store, run: str, device: str, any_counts: bool) -> bool:
    return (any_counts or is_held(store.home.run_folder(run))) and _device(store, run) == device


def _device(store: Store, run: str) -> str:
    try:
        return choose_device(store.run(run).config.device).type
    except StudioError:  # it will be refused when its turn comes
        return "cpu"
