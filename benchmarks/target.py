"""Measure the training time to a test accuracy, over several seeds. `python -m benchmarks.target FOLDER 75 [SEEDS]` or `… FOLDER 90 [SEEDS]`

FOLDER is CIFAR-10 as class folders. The recipes and their numbers of epochs were chosen on validation images; the test set is evaluated
once, after the last epoch. `python -m benchmarks.target FOLDER 75 tutorial` measures the tutorial code, which is stopped after the first epoch that
reaches the target. `python -m benchmarks.target FOLDER 90 airbench SCRIPT`, with a copy of `airbench94_muon.py`, does the same with
airbench's network and recipe (benchmarks/external_scripts.py).
"""

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.external_scripts import run_script
from benchmarks.machine import print_table
from benchmarks.tutorial import Tutorial
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.metrics.evaluation import evaluate
from cnn_core.training.recipe import make_trainer

RECIPES: dict[int, dict[str, Any]] = {
    75: {
        "model": "speed",
        "width": 0.5,
        "activation": "relu",
        "epochs": 1,
        "batch_size": 64,
        "learning_rate": 0.2,
        "crop": 0,  # in a single epoch no image is used twice
        "flip": "off",
        "validation_share": 0.02,
    },
    90: {
        "model": "speed",
        "width": 1.5,
        "epochs": 12,
        "learning_rate": 0.05,
        "weight_decay": 0.05,
        "start_side": 0.75,
        "mirror": True,
        "validation_share": 0.02,
    },
}


def main() -> None:
    folder, target = sys.argv[1], int(sys.argv[2])
    source = open_source(folder)
    images, test = finish(source.load("train")), finish(source.load("test"))
    if sys.argv[3:] == ["tutorial"]:
        print_other(f"Tutorial code to {target}%", *Tutorial(images, test).train_until(target / 100))
        return
    if sys.argv[3:4] == ["airbench"]:
        print_other(f"airbench94_muon.py to {target}%", *train_airbench_until(target / 100, Path(sys.argv[4]), images, test))
        return
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    results = [train(make_config(data=folder, seed=seed, **RECIPES[target]), source.info, images, test) for seed in range(seeds)]
    accuracies, seconds = [result.accuracy for result in results], [result.seconds for result in results]
    print_table(
        f"{RECIPES[target]}, otherwise default settings",
        [
            (
                "mean test accuracy",
                f"≥ {target}%",
                f"{statistics.mean(accuracies):.2%} ({min(accuracies):.2%} to {max(accuracies):.2%}, n = {seeds} seeds)",
            ),
            ("training time", "", f"median {statistics.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f})"),
        ],
    )


def print_other(title: str, seconds: float, epochs: int) -> None:
    """Print the table of other code."""
    print_table(title, [("training time", "", f"{seconds:,.0f} s, {epochs} epochs (n = 1)")])


@dataclass(frozen=True)
class Result:
    """Test accuracy after the last epoch; seconds of preparation (without loading), and of training with validation."""

    accuracy: float
    preparation: float
    training: float

    @property
    def seconds(self) -> float:
        return self.preparation + self.training


def train(config: TrainConfig, info: DataInfo, images: ImageSet, test: ImageSet, device: str = "cpu") -> Result:
    """Train a model and evaluate it once on the test images."""
    start = time.perf_counter()
    trainer, card = make_trainer(config, info, images, torch.device(device))
    prepared = time.perf_counter()
    for _ in trainer:
        pass
    trained = time.perf_counter()
    accuracy = finish(evaluate(trainer.validated_model, card, test, torch.device(device))).accuracy
    print(f"seed {config.seed}: {accuracy:.2%} in {prepared - start:.1f} + {trained - prepared:.1f} s", flush=True)
    return Result(accuracy, prepared - start, trained - prepared)


def train_airbench_until(target: float, script: Path, images: ImageSet, test: ImageSet) -> tuple[float, int]:
    """Run airbench until its test accuracy reaches `target`; return the seconds (infinity if it does not) and the epochs, at most 8.

    At the end the accuracy with test-time augmentation counts too.
    """
    epochs = 0
    for row in run_script(script, images, test, runs=1, device="cpu"):
        best = max(row.accuracy or 0.0, row.tta_accuracy or 0.0)
        print(f"airbench, epoch {row.epoch}: {best:.2%} after {row.seconds:.0f} s", flush=True)
        epochs += row.epoch.isdigit()
        if best >= target:
            return row.seconds, epochs
    return float("inf"), epochs


if __name__ == "__main__":
    main()
