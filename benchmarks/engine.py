"""Images per second of the engine against the tutorial's way, alternating in one process. `python -m benchmarks.engine FOLDER`

Same SimpleCNN, same batch size 64, crop and flip on. FOLDER is CIFAR-10 as class folders. Both hold the decoded images; each window
is `WINDOW` seconds of training alone, the start of the loader's workers left out.
"""

import statistics
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.machine import print_table
from benchmarks.tutorial import Tutorial
from cnn_core.config import make_config
from cnn_core.data.catalog import open_source
from cnn_core.data.source import finish
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import prepare

PAIRS, WINDOW = 6, 15.0


def main() -> None:
    source = open_source(sys.argv[1])
    images, test = finish(source.load("train")), finish(source.load("test"))
    tutorial = Tutorial(images, test)
    trainer, _ = prepare(make_config(data=sys.argv[1], dropout=0.5, epochs=1000), source.info, images, torch.device("cpu"))
    pairs = [(_speed(tutorial.steps()), _speed(engine_steps(trainer))) for _ in range(PAIRS)]
    ratios = [ours / theirs for theirs, ours in pairs]
    theirs, ours = (statistics.median(speeds) for speeds in zip(*pairs, strict=True))
    print_table(
        "SimpleCNN, batch 64, augmentation on",
        [
            (
                "engine / tutorial",
                "≥ 2.5",
                f"median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, n = {PAIRS} pairs of {WINDOW:.0f} s)",
            ),
            ("median speeds", "", f"{ours:,.0f} against {theirs:,.0f} images/s"),
        ],
    )


def engine_steps(trainer: Trainer) -> Iterator[int]:
    """One epoch of the engine with its reports, step by step: the number of images of each."""
    trainer.model.train()
    trainer.meter.start_epoch()
    for images, labels in trainer.batches:
        trainer.optimizer.set_rate(trainer.schedule(trainer.meter.step))
        trainer.take_step(images, labels)
        if trainer.meter.should_report():
            trainer.meter.report(1, 0.0)
        yield len(labels)


def _speed(steps: Iterator[int]) -> float:
    """Images per second over one window, counted from the second step on."""
    next(steps)
    begun, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < WINDOW:
        images += next(steps)
    steps.close()
    return images / elapsed


if __name__ == "__main__":
    main()
