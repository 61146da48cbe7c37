"""Measure training on few images of each class, from a pretrained network and from scratch. `python -m benchmarks.few_images FOLDER [SIZE [DRAWS]]`

FOLDER: `train/` and `test/`, each with a folder for every class, as CIFAR-10's. SIZE: of the images in training, in pixels (128). DRAWS: of the training
images, for the pretrained network (10); SLOW_DRAWS of them from scratch. The accuracy is that on TESTED test images after the last epoch, so that no
image chooses the model.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.dashboard import run_command
from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import Split, finish
from cnn_core.events import Epoch
from cnn_core.features.store import open_feature_store
from cnn_core.home import Home
from cnn_core.training.recipe import make_trainer

COUNTS = (20,)  # training images of each class
TESTED = 2000  # test images
SLOW_DRAWS = 3  # from scratch: every step reads the images
PRETRAINED: dict[str, Any] = {"model": "efficientnet-lite0"}
FROM_SCRATCH: dict[str, Any] = {"model": "simple"}
ASKED = {20: "≥ 63%"}


def main() -> None:
    folder, size, draws = (
        Path(sys.argv[1]).resolve(),
        *(int(text) for text in (*sys.argv[2:], *("128", "10")[len(sys.argv) - 2 :])),
    )
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CNN_STUDIO_HOME"] = temporary  # in which settings look for the data set
        home = Home.from_environment()
        run_command(home.root, "data", "import", str(folder), "--name", "few")
        rows = [row for count in COUNTS for row in measure_draws("few", home, count, draws, "test", {"size": size}, ASKED[count])]
        info = open_source("few", home).info
    print_table(f"`{folder.name}` at {size}×{size} pixels, {len(info.classes)} classes, {TESTED} test images", rows)


def measure_draws(
    data: str, home: Home, count: int, draws: int, tested: Split, settings: dict[str, Any], asked: str
) -> list[tuple[str, str, str]]:
    """Return a row of results of each network, trained on `count` images of each class of `data`, `draws` times."""
    rows = []
    for name, chosen, number in (
        ("pretrained, only the head", PRETRAINED, draws),
        ("SimpleCNN from scratch", FROM_SCRATCH, min(draws, SLOW_DRAWS)),
    ):
        config = make_config(data=data, **chosen, **settings)
        found = [accuracy_of_draw(config, home, count, seed, tested) for seed in range(number)]
        text = f"mean {statistics.mean(found):.1%} ({min(found):.1%} to {max(found):.1%}, n = {number} draws)"
        rows.append((f"{count} images a class: {name}", asked if chosen is PRETRAINED else "", text))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def accuracy_of_draw(config: TrainConfig, home: Home, count: int, seed: int, tested: Split) -> float:
    """Return the accuracy after the last epoch of a training on `count` images of each class, on at most TESTED images of the split `tested`."""
    source = open_images(config, home)
    images, others = finish(source.load("train")), finish(source.load(tested))
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.flatnonzero(images.labels == label), count, replace=False) for label in range(len(source.info.classes))]
    few = images.take(np.sort(np.concatenate(rows)))
    some = others.take(np.sort(np.random.default_rng(0).permutation(len(others))[:TESTED]))
    config = config.model_copy(update={"seed": seed, "batch_size": min(32, len(few))})
    trainer, _ = make_trainer(config, source.info, few, torch.device("cpu"), some, open_feature_store(source))
    epochs = [event for event in trainer if isinstance(event, Epoch)]
    return epochs[-1].val_accuracy


if __name__ == "__main__":
    main()
