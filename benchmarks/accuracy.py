"""Accuracy and time of runs at default settings. `python -m benchmarks.accuracy digits` or `… accuracy FOLDER` (20 epochs: a quarter of an hour)

Every round is the command line in a process of its own, with another seed, so imports and loading are in the seconds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.dashboard import ROOT
from benchmarks.machine import print_table


def main() -> None:
    data, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    accuracies, seconds, speeds = [], [], []
    for seed in range(rounds):
        begun = time.perf_counter()
        result = _train(data, seed)
        seconds.append(time.perf_counter() - begun)
        accuracies.append(result["test_accuracy"])
        speeds.append(result["images_per_second"])
        print(
            f"seed {seed}: {result['test_accuracy']:.2%} in {seconds[-1]:.1f} s, {speeds[-1]:,.0f} images/s",
            file=sys.stderr,
            flush=True,
        )
    is_digits = data == "digits"
    rows = [
        (
            "test accuracy",
            "≥ 97 %" if is_digits else "≥ 76 % (CIFAR-10)",
            f"median {statistics.median(accuracies):.2%}, worst {min(accuracies):.2%} (n = {rounds} seeds)",
        ),
        (
            "seconds, whole process",
            "≤ 60 s" if is_digits else "",
            f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s",
        ),
        ("training speed", "", f"median {statistics.median(speeds):,.0f} images/s"),
    ]
    print_table(f"`train --data {data if is_digits else 'FOLDER'}`, otherwise default settings", rows)


def _train(data: str, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "cnn_core", "train", "--data", data, "--seed", str(seed), "--json"]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CNN_STUDIO_HOME": home}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
