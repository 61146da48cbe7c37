"""Measure accuracy and time of runs at default settings. `python -m benchmarks.accuracy digits [SEEDS]` or `… accuracy FOLDER [SEEDS]`

Each seed runs the command line in a process of its own, so the time includes imports and loading. FOLDER is CIFAR-10 as class folders: 20 epochs, a
quarter of an hour.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.dashboard import train_model
from benchmarks.machine import print_table


def main() -> None:
    data, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    accuracies, seconds, speeds = [], [], []
    for seed in range(seeds):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            result = train_model(Path(home), data, "--seed", str(seed))
        seconds.append(time.perf_counter() - start)
        accuracies.append(result["test_accuracy"])
        speeds.append(result["images_per_second"])
        progress = f"seed {seed}: {accuracies[-1]:.2%} in {seconds[-1]:.1f} s, {speeds[-1]:,.0f} images/s"
        print(progress, file=sys.stderr, flush=True)
    is_digits = data == "digits"
    rows = [
        (
            "test accuracy",
            "≥ 97%" if is_digits else "≥ 76% (CIFAR-10)",
            f"median {statistics.median(accuracies):.2%}, worst {min(accuracies):.2%} (n = {seeds} seeds)",
        ),
        (
            "time of the whole process",
            "≤ 60 s" if is_digits else "",
            f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s",
        ),
        ("training speed", "", f"median {statistics.median(speeds):,.0f} images/s"),
    ]
    print_table(f"`train --data {data if is_digits else 'FOLDER'}`, otherwise default settings", rows)


if __name__ == "__main__":
    main()
