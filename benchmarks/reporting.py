"""What reporting costs: training with events, store and one live viewer, against bare steps. `python -m benchmarks.reporting`

Both train SimpleCNN at batch 64 on the same 60,000 random images, each from its beginning, in windows that alternate. The viewer is
a real dashboard on the same store, in a process of its own, with one session and one event stream open.
"""

import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.dashboard import dashboard
from benchmarks.machine import print_table
from benchmarks.viewers import watched
from cnn_core.config.defaults import make_config
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import prepare

PAIRS, WINDOW = 50, 3.0
IMAGES = 60_000  # more than a window takes: validation, and the checkpoint after it, are no part of reporting


def main() -> None:
    with dashboard() as served:
        config = make_config(data="cifar10", epochs=1000)
        run = served.store.create(config, status="running")
        with hold(served.store.home.run_folder(run)), watched(served.url, run, viewers=1):
            ratios = [speed(reported_steps(served.store, run)) / speed(bare_steps()) for _ in range(PAIRS)]
    quartiles = statistics.quantiles(ratios, n=4)
    print_table(
        "Reporting",
        [
            (
                "cost in images/s",
                "≤ 3 %",
                f"median {1 - quartiles[1]:.1%} (middle half {1 - quartiles[2]:.1%} to {1 - quartiles[0]:.1%}, n = {PAIRS} pairs of {WINDOW:.0f} s)",
            )
        ],
    )


def bare_steps() -> Iterator[int]:
    """Trains without a report; gives the images of each step."""
    trainer = make_trainer()
    for images, labels in trainer.batches:
        trainer.optimizer.set_rate(0.001)
        trainer.take_step(images, labels)
        yield len(labels)


def reported_steps(store: Store, run: str) -> Iterator[int]:
    """Trains as a run of the dashboard does; gives the images of each report."""
    for event in make_trainer():
        store.log.append(run, [event])
        store.requests.should_stop(run)
        store.requests.take(run)
        yield 64 * len(event.loss)


def make_trainer() -> Trainer:
    """SimpleCNN on random images, never reaching the end of its epoch within a window."""
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8), np.arange(IMAGES) % 10)
    info = DataInfo("random", tuple("0123456789"), 32, 3, IMAGES, 0, "random")
    return prepare(make_config(data="cifar10", epochs=1000, validation_share=0.02), info, images, torch.device("cpu"))[0]


def speed(steps: Iterator[int]) -> float:
    """Images per second over one window, which begins after the first of `steps`."""
    next(steps)
    begun, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < WINDOW:
        images += next(steps)
    return images / elapsed


if __name__ == "__main__":
    main()
