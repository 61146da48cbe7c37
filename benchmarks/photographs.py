"""Measure training from a pretrained network and from scratch on few photographs. `python -m benchmarks.photographs FOLDER [DRAWS]`

FOLDER: `train/` and `val/`, each with a folder for every class. It is imported in a process of its own, and trained there with the
defaults, a second time in this process, which has imported the libraries as a dashboard has, on the features that the first training kept, and once
more with all layers fine-tuned. Then both networks are trained on 5, 10 and 20 images of each class, DRAWS draws each; the accuracy is that on all validation images after the
last epoch, so that no image chooses the model.
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
from benchmarks.machine import measure_seconds, median_and_worst, print_table
from cnn_core.config.defaults import make_config
from cnn_core.config.images import open_images
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Epoch
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.models.registry import build_on_meta
from cnn_core.runs.store import Store
from cnn_core.training.recipe import make_trainer

SLOW_DRAWS = 3  # from scratch: every step reads the images
COUNTS = (5, 10, 20)  # training images of each class
PRETRAINED: dict[str, Any] = {"model": "efficientnet-lite0"}
FROM_SCRATCH: dict[str, Any] = {"model": "simple"}
FINE_TUNED = ("--train", "all")  # everything else at its default
ASKED = {5: "≥ 91%", 10: "≥ 93%", 20: "≥ 94%"}


def main() -> None:
    folder, draws = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CNN_STUDIO_HOME"] = temporary  # in which settings look for the data set
        home = Home.from_environment()
        arguments = ("data", "import", str(folder), "--name", "photographs", "--test-share", "0.01")
        seconds = measure_seconds(lambda: run_command(home.root, *arguments))
        result: dict[str, Any] = {}
        trained = measure_seconds(
            lambda: result.update(run_command(home.root, "train", "--data", "photographs", "--model", PRETRAINED["model"]))
        )
        accuracy = result["best_val_accuracy"]
        rows = [
            ("import and training in two processes", "≤ 45 s", f"{seconds + trained:.1f} s (import {seconds:.1f} s)"),
            ("best validation accuracy, only the head trained", "≥ 94%", f"{accuracy:.1%}"),
            ("second training on kept features, from its start to its figures", "≤ 5 s", second_training(home)),
        ]
        tuned = measure_seconds(
            lambda: result.update(
                run_command(home.root, "train", "--data", "photographs", "--model", PRETRAINED["model"], *FINE_TUNED)
            )
        )
        rows += [
            ("all layers fine-tuned: training", "≤ 6 min", f"{tuned:.0f} s"),
            ("best validation accuracy, all layers fine-tuned", f"≥ {accuracy:.1%}", f"{result['best_val_accuracy']:.1%}"),
        ]
        for count in COUNTS:
            for name, chosen in (("pretrained, only the head", PRETRAINED), ("SimpleCNN from scratch", FROM_SCRATCH)):
                number = draws if chosen is PRETRAINED else min(draws, SLOW_DRAWS)
                found = [accuracy_of_draw(chosen, home, count, seed) for seed in range(number)]
                text = f"mean {statistics.mean(found):.1%} ({min(found):.1%} to {max(found):.1%}, n = {number} draws)"
                rows.append((f"{count} images a class: {name}", ASKED[count] if chosen is PRETRAINED else "", text))
                print(rows[-1], file=sys.stderr, flush=True)
        info = open_source("photographs", home).info
    print_table(f"Photographs in `FOLDER`, {info.train_count} training and {info.val_count} validation images", rows)


def second_training(home: Home, rounds: int = 3) -> str:
    """Train in this process on kept features, `rounds` times; return the seconds and the best validation accuracy of each."""
    store, config = Store(home), make_config(data="photographs", **PRETRAINED)
    build_on_meta(PRETRAINED["model"], channels=3, image_size=224, classes=2)  # imports timm, as the form of a dashboard does
    seconds, accuracies = [], []
    for _ in range(rounds):
        run = store.create(config)
        seconds.append(measure_seconds(lambda run=run: execute(store, run)))
        accuracies.append(f"{store.run(run).summary['best_val_accuracy']:.1%}")
    return f"{median_and_worst(seconds, digits=1)}, accuracy {', '.join(sorted(set(accuracies)))}"


def accuracy_of_draw(chosen: dict[str, Any], home: Home, count: int, seed: int) -> float:
    """Return the validation accuracy after the last epoch of a training on `count` images of each class."""
    source = open_images(make_config(data="photographs", **chosen), home)
    info, images, validation = source.info, finish(source.load("train")), finish(source.load("val"))
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.flatnonzero(images.labels == label), count, replace=False) for label in range(len(info.classes))]
    few = images.take(np.sort(np.concatenate(rows)))
    config = make_config(data="photographs", seed=seed, batch_size=min(32, len(few)), **chosen)
    trainer, _ = make_trainer(config, info, few, torch.device("cpu"), validation)
    epochs = [event for event in trainer if isinstance(event, Epoch)]
    return epochs[-1].val_accuracy


if __name__ == "__main__":
    main()
