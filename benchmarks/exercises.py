"""Measure every exercise of the Learn page on digits: the time of its pairs and the effect. `python -m benchmarks.exercises [name …]`

The runs are trained one after the other through the run store and `execute`, as the worker does. torch is loaded before the measurement,
as in a server that has shown a page. `python -m benchmarks.exercises record` writes the curves that illustrate the exercise "epochs".
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.dashboard import ROOT
from benchmarks.machine import print_table
from cnn_core.events import Epoch
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.lessons.attempts import DEFAULT_PAIRS, measure_effect, read_runs, start_attempt
from cnn_core.lessons.effect import UNKNOWN, describe_effect
from cnn_core.lessons.exercises import DIGITS, EXERCISES
from cnn_core.runs.store import Store

RECORDING = ROOT / "pages" / "views" / "learn" / "epochs.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        if sys.argv[1:] == ["record"]:
            record(store)
            return
        rows = [(EXERCISES[name].title, "≤ 90 s", measure(store, name)) for name in sys.argv[1:] or EXERCISES]
    print_table(f"Exercises on digits, {DEFAULT_PAIRS} pairs each", rows)


def measure(store: Store, name: str) -> str:
    """Train the pairs of one exercise and return their time and the effect as text."""
    start, cpu_start = time.perf_counter(), time.process_time()
    attempt = start_attempt(store, name, DIGITS, UNKNOWN)
    for run in read_runs(store, attempt).runs:
        if execute(store, run.id) != "finished":
            sys.exit(store.run(run.id).error)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    exercise, finished = EXERCISES[name], read_runs(store, attempt)
    effects = [measure_effect(store, finished, metric) for metric in (exercise.metric, *exercise.other_metrics)]
    texts = [describe_effect(effect) for effect in effects if effect]
    duration = f"{seconds:.0f} s ({cpu_seconds:.0f} s of CPU time)"
    print(f"{name}: {duration}. {' '.join(texts)}", file=sys.stderr, flush=True)
    return f"{duration}. {texts[0]}"


def record(store: Store) -> None:
    """Train run A of the exercise "augmentation" and write its curves."""
    config = EXERCISES["augmentation"].settings("A")
    run = store.create(config)
    execute(store, run)
    epochs = [item.event for item in store.log.read(run, kinds=[Epoch]) if isinstance(item.event, Epoch)]
    settings = (
        f"SimpleCNN with width multiplier {config.width:g}, 719 digits, no augmentation, no dropout, {config.epochs} epochs, "
        f"seed {config.seed}"
    )
    recording = {
        "settings": settings,
        "best_epoch": next(epoch.epoch for epoch in reversed(epochs) if epoch.is_best),
        "train_accuracy": [round(epoch.train_accuracy, 4) for epoch in epochs],
        "val_accuracy": [round(epoch.val_accuracy, 4) for epoch in epochs],
    }
    RECORDING.write_text(json.dumps(recording, indent=1) + "\n")


if __name__ == "__main__":
    main()
