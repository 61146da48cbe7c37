"""Measure training from a pretrained network and from scratch on few photographs. `python -m benchmarks.photographs FOLDER [DRAWS]`

FOLDER: `train/` and `val/`, each with a folder for every class. It is imported in a process of its own, and trained there with the
defaults, a second time in this process, which has imported the libraries as a dashboard has, on the features that the first training kept, and once
more with all layers fine-tuned. Then both networks are trained on 5, 10 and 20 images of each class, DRAWS draws each; the accuracy is that on all validation images after the
last epoch, so that no image chooses the model.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.dashboard import run_command
from benchmarks.few_images import PRETRAINED, measure_draws
from benchmarks.machine import measure_seconds, median_and_worst, print_table
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.models.registry import build_on_meta
from cnn_core.runs.store import Store

FINE_TUNED = ("--train", "all")  # everything else at its default
ASKED = {5: "≥ 91%", 10: "≥ 93%", 20: "≥ 94%"}  # by the number of training images of each class


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
        for count, asked in ASKED.items():
            rows += measure_draws("photographs", home, count, draws, "val", {}, asked)
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


if __name__ == "__main__":
    main()
