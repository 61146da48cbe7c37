"""Measure the cost of reporting: training with events, store and one live viewer, compared with steps that report nothing. `python -m benchmarks.reporting`

Both train a new SimpleCNN at batch size 64 on the same 60,000 random images, in alternating windows. The viewer is
a dashboard on the same store, in another process, with one session and one event stream.
"""

import statistics
import time
from collections.abc import Generator

import numpy as np
import torch

from benchmarks.dashboard import dashboard
from benchmarks.machine import print_table
from benchmarks.viewers import watched
from cnn_core.config.defaults import make_config
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.events import Steps
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import make_trainer

PAIRS, WINDOW_SECONDS = 50, 3.0
IMAGES = 60_000  # more than a window uses: validation and the checkpoint after it do not belong to reporting


def main() -> None:
    with dashboard() as served:
        config = make_config(data="cifar10", epochs=1000)
        run = served.store.create(config, status="running")
        with hold(served.store.home.run_folder(run)), watched(served.url, run, viewers=1):
            ratios = [measure_speed(reported_steps(served.store, run)) / measure_speed(bare_steps()) for _ in range(PAIRS)]
    quartiles = statistics.quantiles(ratios, n=4)
    print_table(
        "Cost of reporting",
        [
            (
                "cost of reporting, in images/s",
                "≤ 3%",
                f"median {1 - quartiles[1]:.1%} (middle half of the pairs {1 - quartiles[2]:.1%} to {1 - quartiles[0]:.1%}, n = {PAIRS} pairs of {WINDOW_SECONDS:.0f} s)",
            )
        ],
    )


def bare_steps() -> Generator[int, None, None]:
    """Train without reports; yield the number of images of each step."""
    trainer = random_trainer()
    for images, labels in trainer.batches:
        trainer.optimizer.set_learning_rate(0.001)
        trainer.take_step(images, labels)
        yield len(labels)


def reported_steps(store: Store, run: str) -> Generator[int, None, None]:
    """Train with reports as a run of the dashboard; yield the number of images of each report."""
    for event in random_trainer():
        store.log.append(run, [event])
        store.requests.should_stop(run)
        store.requests.take(run)
        assert isinstance(event, Steps)
        yield 64 * len(event.loss)


def random_trainer() -> Trainer:
    """Return a trainer of a SimpleCNN on random images whose epoch is longer than a window."""
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8), np.arange(IMAGES) % 10)
    info = DataInfo("random", tuple("0123456789"), 32, 3, IMAGES, 0, "random")
    return make_trainer(make_config(data="cifar10", epochs=1000, validation_share=0.02), info, images, torch.device("cpu"))[0]


def measure_speed(steps: Generator[int, None, None]) -> float:
    """Return the images per second over one window, which begins after the first of `steps`."""
    next(steps)
    start, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < WINDOW_SECONDS:
        images += next(steps)
    return images / elapsed


if __name__ == "__main__":
    main()
