"""A run whose events are appended by the test, which holds the lock of the run, so that every point on a page is known."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Started, Steps
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store


@contextmanager
def trained_here(store: Store) -> Iterator[str]:
    """Create a running run, hold its lock for the block, and give its id. After the block it has ended.

    Otherwise it would count as training in its first seconds, when a process need not hold the lock yet, and the next test's runs would wait for it.
    """
    run = store.create(make_config(), status="running")
    with hold(store.home.run_folder(run)):
        yield run
    if store.run(run).is_active:
        store.set_status(run, "stopped")


def started(steps_per_epoch: int = 10, epochs: int = 4) -> Started:
    return Started(505_578, "CPU, 1 threads", 1222, 216, 359, steps_per_epoch, epochs)


def loss(step: int) -> float:
    """Return a loss that falls by 0.00001 a step, so that all points differ, even after the rounding of the stream."""
    return round(1 - step / 100_000, 5)


def accuracy(step: int) -> float:
    return round(step / 100_000, 5)


def steps(first: int, last: int, epoch: int = 1) -> Steps:
    """Return the steps `first` to `last` in one event."""
    numbers = range(first, last + 1)
    return Steps(
        epoch=epoch,
        step=last,
        images=64 * last,
        loss=tuple(map(loss, numbers)),
        accuracy=tuple(map(accuracy, numbers)),
        learning_rate=0.001,
        images_per_second=1000.0,
        train_seconds=0.01 * last,
        seconds=0.01 * last,
        at=time.time(),
    )


def epoch(number: int, step: int, *, is_best: bool = True, val_accuracy: float = 0.6) -> Epoch:
    return Epoch(number, step, 1.0, 0.5, 0.9, val_accuracy, is_best, 0.1, 0.1)
