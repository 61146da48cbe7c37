"""Compare the training speed of the engine with the tutorial code, alternating in one process. `python -m benchmarks.engine FOLDER`

Both train the same SimpleCNN at batch size 64 with random crop and flip, from decoded images in memory. The tutorial code computes in float32, the
engine in its default precision on this machine and in float32. FOLDER is CIFAR-10 as class folders. Each window is
`WINDOW_SECONDS` of training; the start of the DataLoader's workers is not counted.
"""

import statistics
import sys
import time
from collections.abc import Generator

import torch

from benchmarks.machine import print_table
from benchmarks.tutorial import Tutorial
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import make_trainer

ROUNDS, WINDOW_SECONDS = 6, 15.0
PRECISIONS = ("auto", "float32")


def main() -> None:
    source = open_source(sys.argv[1])
    images, test = finish(source.load("train")), finish(source.load("test"))
    tutorial = Tutorial(images, test)
    trainers = {precision: _make_trainer(sys.argv[1], precision, source.info, images) for precision in PRECISIONS}
    tutorial_speeds: list[float] = []
    engine_speeds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(ROUNDS):
        tutorial_speeds.append(_measure_speed(tutorial.steps()))
        for precision, trainer in trainers.items():
            engine_speeds[precision].append(_measure_speed(engine_steps(trainer)))
    print_table(
        f"SimpleCNN, batch 64, augmentation on; tutorial in float32: median {statistics.median(tutorial_speeds):,.0f} images/s",
        [
            _row(f"images/s, engine in {trainers[name].arithmetic} ({name}) / tutorial in float32", speeds, tutorial_speeds)
            for name, speeds in engine_speeds.items()
        ],
    )


def _make_trainer(folder: str, precision: str, info: DataInfo, images: ImageSet) -> Trainer:
    config = make_config(data=folder, dropout=0.5, epochs=1000, precision=precision)
    return make_trainer(config, info, images, torch.device("cpu"))[0]


def _row(name: str, speeds: list[float], tutorial_speeds: list[float]) -> tuple[str, str, str]:
    ratios = [speed / other for speed, other in zip(speeds, tutorial_speeds, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, n = {ROUNDS} rounds of {WINDOW_SECONDS:.0f} s each"
    return name, "≥ 2.5", f"median {statistics.median(ratios):.2f} ({spread}); {statistics.median(speeds):,.0f} images/s"


def engine_steps(trainer: Trainer) -> Generator[int, None, None]:
    """Train one epoch with the engine, with reports; yield the number of images of each step."""
    trainer.model.train()
    trainer.meter.start_epoch()
    for images, labels in trainer.batches:
        trainer.optimizer.set_learning_rate(trainer.schedule(trainer.meter.step))
        trainer.take_step(images, labels)
        if trainer.meter.should_report():
            trainer.meter.report(1, 0.0)
        yield len(labels)


def _measure_speed(steps: Generator[int, None, None]) -> float:
    """Return the images per second over one window, which begins after the first step."""
    next(steps)
    start, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < WINDOW_SECONDS:
        images += next(steps)
    steps.close()
    return images / elapsed


if __name__ == "__main__":
    main()
