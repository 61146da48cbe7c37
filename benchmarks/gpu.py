"""Compare recipes with SpeedNet with the two fastest known scripts, on one NVIDIA GPU.

`python -m benchmarks.gpu FOLDER airbench94_muon.py cifar10_speedrun.py [RUNS]`. FOLDER is CIFAR-10 as class folders; the two scripts are
your own copies (benchmarks/external_scripts.py names their repositories). Each script and each recipe runs once to warm up and compile, then RUNS times
(default 20). Training seconds are counted as in airbench: the images are already in memory, and preparation before the first
step does not count. The scripts do count the whitening of their first layer, which our recipes report as preparation.
The scripts' accuracies use test-time augmentation (flips and shifts), those of our recipes do not.
"""

import statistics
import sys
from pathlib import Path

import torch

from benchmarks.external_scripts import run_script
from benchmarks.machine import print_table
from benchmarks.target import train
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish

RECIPES = (
    {"model": "speed", "epochs": 8, "batch_size": 256},
    {"model": "speed", "width": 2.0, "epochs": 8, "batch_size": 1000},
    {"model": "speed", "width": 2.0, "epochs": 12, "batch_size": 1000},
)


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs an NVIDIA GPU, and torch finds none.")
    folder, scripts = sys.argv[1], [Path(name) for name in sys.argv[2:4]]
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    source = open_source(folder)
    images, test = finish(source.load("train")), finish(source.load("test"))
    rows = [_script_row(script, images, test, runs) for script in scripts]
    for recipe in RECIPES:
        configs = [make_config(data=folder, seed=seed, validation_share=0.02, **recipe) for seed in range(runs + 1)]
        results = [train(config, source.info, images, test, "cuda") for config in configs][1:]  # the first run is the warm-up
        preparation = statistics.median(result.preparation for result in results)
        name = ", ".join(f"{key} {value}" for key, value in recipe.items())
        rows.append(
            _row(name, [r.accuracy for r in results], [r.training for r in results], f"; preparation {preparation:.2f} s")
        )
    print_table(f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {runs} runs each", rows)


def _script_row(script: Path, images: ImageSet, test: ImageSet, runs: int) -> tuple[str, str, str]:
    ends = [row for row in run_script(script, images, test, runs) if row.epoch == "eval"]
    return _row(script.name, [row.tta_accuracy or 0.0 for row in ends], [row.seconds for row in ends])


def _row(name: str, accuracies: list[float], seconds: list[float], note: str = "") -> tuple[str, str, str]:
    accuracy = f"{statistics.mean(accuracies):.2%} ± {statistics.stdev(accuracies):.2%}"
    return (
        name,
        "no slower than the faster script at its accuracy",
        f"{accuracy}, median {statistics.median(seconds):.2f} s{note}",
    )


if __name__ == "__main__":
    main()
