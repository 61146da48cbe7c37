"""Images per second of the engine against the tutorial's way, alternating in one process. `python -m benchmarks.engine FOLDER`

Same SimpleCNN, same batch size 64, crop and flip on; the engine in the precision that it chooses by itself on this machine, and in
float32, which the tutorial's way has. FOLDER is CIFAR-10 as class folders. Both hold the decoded images; each window
is `WINDOW` seconds of training alone, the start of the loader's workers left out.
"""

import statistics
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.machine import print_table
from benchmarks.tutorial import Tutorial
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import prepare

ROUNDS, WINDOW = 6, 15.0
PRECISIONS = ("auto", "float32")


def main() -> None:
    source = open_source(sys.argv[1])
    images, test = finish(source.load("train")), finish(source.load("test"))
    tutorial = Tutorial(images, test)
    trainers = {precision: _trainer(sys.argv[1], precision, source.info, images) for precision in PRECISIONS}
    theirs: list[float] = []
    ours: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(ROUNDS):
        theirs.append(_speed(tutorial.steps()))
        for precision, trainer in trainers.items():
            ours[precision].append(_speed(engine_steps(trainer)))
    print_table(
        f"SimpleCNN, batch 64, augmentation on; the tutorial's way: median {statistics.median(theirs):,.0f} images/s",
        [_row(f"engine in {trainers[name].arithmetic} ({name}) / tutorial", speeds, theirs) for name, speeds in ours.items()],
    )


def _trainer(folder: str, precision: str, info: DataInfo, images: ImageSet) -> Trainer:
    config = make_config(data=folder, dropout=0.5, epochs=1000, precision=precision)
    return prepare(config, info, images, torch.device("cpu"))[0]


def _row(name: str, ours: list[float], theirs: list[float]) -> tuple[str, str, str]:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, n = {ROUNDS} rounds of {WINDOW:.0f} s each"
    return name, "≥ 2.5", f"median {statistics.median(ratios):.2f} ({spread}); {statistics.median(ours):,.0f} images/s"


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
