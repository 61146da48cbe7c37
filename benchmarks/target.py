"""Training seconds to a test accuracy, over several seeds. `python -m benchmarks.target FOLDER 75` or `… FOLDER 90`, then `[SEEDS]`

FOLDER is CIFAR-10 as class folders. The recipes were fixed on a validation split; the epoch count is fixed beforehand and the test
images are looked at once, after the last epoch. `python -m benchmarks.target FOLDER 75 tutorial` is the tutorial's way, which is
stopped at its first epoch that reaches the target: the best it can do. `python -m benchmarks.target FOLDER 90 airbench SCRIPT`, with a
copy of `airbench94_muon.py`, does the same with airbench's network and recipe (benchmarks/rivals.py).
"""

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.machine import print_table
from benchmarks.rivals import run_script
from benchmarks.tutorial import Tutorial
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.metrics.evaluation import evaluate
from cnn_core.training.recipe import prepare

RECIPES = {
    75: {
        "model": "speed",
        "width": 0.5,
        "activation": "relu",
        "epochs": 1,
        "batch_size": 64,
        "learning_rate": 0.2,
        "crop": 0,  # in a single pass no image comes twice
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
        seconds, epochs = Tutorial(images, test).seconds_to(target / 100)
        print_table(f"The tutorial's way to {target} %", [("training seconds", "", f"{seconds:,.0f} s, {epochs} epochs (n = 1)")])
        return
    if sys.argv[3:4] == ["airbench"]:
        seconds, epochs = airbench_seconds_to(target / 100, Path(sys.argv[4]), images, test)
        print_table(f"airbench94_muon.py to {target} %", [("training seconds", "", f"{seconds:,.0f} s, {epochs} epochs (n = 1)")])
        return
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    results = [train(make_config(data=folder, seed=seed, **RECIPES[target]), source.info, images, test) for seed in range(seeds)]
    accuracies, seconds = [result.accuracy for result in results], [result.seconds for result in results]
    print_table(
        f"{RECIPES[target]}, the rest at the network's defaults",
        [
            (
                "mean test accuracy",
                f"≥ {target} %",
                f"{statistics.mean(accuracies):.2%} ({min(accuracies):.2%} to {max(accuracies):.2%}, n = {seeds} seeds)",
            ),
            ("training seconds", "", f"median {statistics.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f})"),
        ],
    )


@dataclass(frozen=True)
class Result:
    """Test accuracy of the last epoch's network; seconds of preparing (loading left out), and of training and validating."""

    accuracy: float
    preparing: float
    training: float

    @property
    def seconds(self) -> float:
        return self.preparing + self.training


def train(config: TrainConfig, info: DataInfo, images: ImageSet, test: ImageSet, device: str = "cpu") -> Result:
    begun = time.perf_counter()
    trainer, card = prepare(config, info, images, torch.device(device))
    prepared = time.perf_counter()
    for _ in trainer:
        pass
    trained = time.perf_counter()
    accuracy = finish(evaluate(trainer.measured, card, test, torch.device(device))).accuracy
    print(f"seed {config.seed}: {accuracy:.2%} in {prepared - begun:.1f} + {trained - prepared:.1f} s", flush=True)
    return Result(accuracy, prepared - begun, trained - prepared)


def airbench_seconds_to(target: float, script: Path, images: ImageSet, test: ImageSet) -> tuple[float, int]:
    """Seconds, and epochs of its 8, until airbench's test accuracy reaches `target`, at the end that over several views counting too;
    infinity when it does not."""
    epochs = 0
    for row in run_script(script, images, test, runs=1, device="cpu"):
        best = max(row.accuracy, row.tta_accuracy or 0.0)
        print(f"airbench, epoch {row.epoch}: {best:.2%} after {row.seconds:.0f} s", flush=True)
        epochs += row.epoch.isdigit()
        if best >= target:
            return row.seconds, epochs
    return float("inf"), epochs


if __name__ == "__main__":
    main()
