"""Training seconds to a test accuracy, over several seeds. `python -m benchmarks.target FOLDER 75` or `… FOLDER 90`, then `[SEEDS]`

FOLDER is CIFAR-10 as class folders. The recipes were fixed on a validation split; the epoch count is fixed beforehand and the test
images are looked at once, after the last epoch. `python -m benchmarks.target FOLDER 75 tutorial` is the tutorial's way, which is
stopped at its first epoch that reaches the target: the best it can do.
"""

import statistics
import sys
import time

import torch

from benchmarks.machine import print_table
from benchmarks.tutorial import Tutorial
from cnn_core.analysis.evaluation import evaluate
from cnn_core.config import TrainConfig, make_config
from cnn_core.data.catalog import open_source
from cnn_core.data.source import DataInfo, ImageSet, finish
from cnn_core.training.recipe import prepare

RECIPES = {
    75: {"model": "speed", "width": 0.5, "epochs": 2, "validation_share": 0.02},
    90: {"model": "speed", "epochs": 8, "validation_share": 0.02},
}


def main() -> None:
    folder, target = sys.argv[1], int(sys.argv[2])
    source = open_source(folder)
    images, test = finish(source.load("train")), finish(source.load("test"))
    if sys.argv[3:] == ["tutorial"]:
        seconds, epochs = Tutorial(images, test).seconds_to(target / 100)
        print_table(f"The tutorial's way to {target} %", [("training seconds", "", f"{seconds:,.0f} s, {epochs} epochs (n = 1)")])
        return
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    results = [train(make_config(data=folder, seed=seed, **RECIPES[target]), source.info, images, test) for seed in range(seeds)]
    accuracies, seconds = zip(*results, strict=True)
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


def train(config: TrainConfig, info: DataInfo, images: ImageSet, test: ImageSet) -> tuple[float, float]:
    """Test accuracy of the last epoch's network, and seconds of preparing, training and validating, without loading."""
    begun = time.perf_counter()
    trainer, card = prepare(config, info, images, torch.device("cpu"))
    for _ in trainer:
        pass
    seconds = time.perf_counter() - begun
    accuracy = finish(evaluate(trainer.measured, card, test, torch.device("cpu"))).accuracy
    print(f"seed {config.seed}: {accuracy:.2%} in {seconds:.0f} s", flush=True)
    return accuracy, seconds


if __name__ == "__main__":
    main()
