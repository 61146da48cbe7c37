"""What reporting costs: training with events, store, checkpoints and one live viewer, against bare steps. `python -m benchmarks.reporting`

Both train SimpleCNN at batch 64 on the same 20,000 random images, in windows that alternate. The viewer is a real dashboard on the same
store, in a process of its own, with one session and one event stream open.
"""

import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.dashboard import dashboard
from benchmarks.machine import print_table
from benchmarks.viewers import watched
from cnn_core.config import make_config
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.runs.lock import hold
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import prepare

PAIRS, WINDOW = 12, 6.0
IMAGES = 20_000


def main() -> None:
    with dashboard() as served:
        config = make_config(data="cifar10", epochs=1000)
        run = served.store.create(config, status="running")
        with hold(served.store.home.run_folder(run)), watched(served.url, run, viewers=1):
            bare, reporting = make_trainer(), iter(make_trainer())
            steps = itertools.chain.from_iterable(itertools.repeat(bare.batches))

            def take_bare_steps() -> int:
                images, labels = next(steps)
                bare.optimizer.set_rate(0.001)
                bare.take_step(images, labels)
                bare.meter.report(1, 0.001) if bare.meter.should_report() else None
                return len(labels)

            def take_reported_steps() -> int:
                event = next(reporting)
                served.store.append(run, [event])
                served.store.should_stop(run)
                return sum(64 for _ in getattr(event, "loss", ()))

            ratios = []
            for _ in range(PAIRS):
                alone = speed(take_bare_steps)
                ratios.append(speed(take_reported_steps) / alone)
    print_table(
        "Reporting",
        [
            (
                "cost in images/s",
                "≤ 3 %",
                f"median {1 - statistics.median(ratios):.1%} ({1 - max(ratios):.1%} to {1 - min(ratios):.1%}, n = {PAIRS} pairs of {WINDOW:.0f} s)",
            )
        ],
    )


def make_trainer() -> Trainer:
    """SimpleCNN on random images, never reaching the end of its epoch within a window."""
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8), np.arange(IMAGES) % 10)
    info = DataInfo("random", tuple("0123456789"), 32, 3, IMAGES, 0, "random")
    return prepare(make_config(data="cifar10", epochs=1000, validation_share=0.02), info, images, torch.device("cpu"))[0]


def speed(step: Callable[[], int]) -> float:
    """Images per second over one window."""
    begun, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < WINDOW:
        images += step()
    return images / elapsed


if __name__ == "__main__":
    main()
