"""Every exercise of the Learn page on digits: seconds for its pairs, and what comes out. `python -m benchmarks.exercises [lesson …]`

The runs go through the store and `execute`, one after the other, as the worker trains them; torch is loaded before the clock starts, as it
is in a server that has been looked at. `python -m benchmarks.exercises record` makes the file with the curves of the card "Epochs" anew.
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
from cnn_core.lessons.attempts import PAIRS, begin, look, outcome
from cnn_core.lessons.cards import DIGITS, LESSONS
from cnn_core.lessons.outcome import in_words
from cnn_core.runs.store import Store

RECORDED = ROOT / "pages" / "views" / "learn" / "epochs.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        if sys.argv[1:] == ["record"]:
            record(store)
            return
        rows = [(LESSONS[name].title, "≤ 90 s", measure(store, name)) for name in sys.argv[1:] or LESSONS]
    print_table(f"Exercises on digits, {PAIRS} pairs each", rows)


def measure(store: Store, name: str) -> str:
    """Do one exercise: its seconds and its outcome in words."""
    begun, worked = time.perf_counter(), time.process_time()
    attempt = begin(store, name, DIGITS, "unknown")
    for run in look(store, attempt).runs:
        if execute(store, run.id) != "finished":
            sys.exit(store.run(run.id).error)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    said = [in_words(outcome(store, look(store, attempt), measure)) for measure in (LESSONS[name].measure, *LESSONS[name].others)]
    took = f"{seconds:.0f} s ({worked:.0f} s of processor time)"
    print(f"{name}: {took}. {' '.join(said)}", file=sys.stderr, flush=True)
    return f"{took}. {said[0]}"


def record(store: Store) -> None:
    """Train run A of the first lesson and keep its curves."""
    config = LESSONS["augmentation"].settings("A")
    run = store.create(config)
    execute(store, run)
    epochs = [item.event for item in store.log.read(run, kinds=[Epoch])]
    what = (
        f"SimpleCNN at half the width, 719 digits, neither augmentation nor dropout, {config.epochs} epochs, seed {config.seed}"
    )
    kept = {
        "what": what,
        "best": next(epoch.epoch for epoch in reversed(epochs) if epoch.is_best),
        "training": [round(epoch.train_accuracy, 4) for epoch in epochs],
        "validation": [round(epoch.val_accuracy, 4) for epoch in epochs],
    }
    RECORDED.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
