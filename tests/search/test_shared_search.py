"""Several processes work one search off, and one of them is killed in the middle: nothing is lost, doubled, or tried twice."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cnn_core.events import Epoch, Resumed
from cnn_core.home import Home
from cnn_core.runs.store import Store
from cnn_core.search.search_store import SearchStore
from tests.helpers import start_process

TRIALS, EPOCHS = 3, 12
BEGIN = ("--vary", "learning_rate=0.001..0.01 log", "--vary", "optimizer=adam,sgd", "--trials", str(TRIALS), "--no-prune")
BASE = ("--epochs", str(EPOCHS), "--batch-size", "8", "--width", "0.25", "--device", "cpu", "--precision", "float32")


def epochs_of(store: Store, run: str) -> list[int]:
    return [item.event.epoch for item in store.log.read(run, kinds=(Epoch,))]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def test_a_search_survives_the_sigkill_of_a_process_that_shares_it(home: Home, image_folder: Path):
    first = start_process(home, "-m", "cnn_core", "search", "shared", *BEGIN, "--data", str(image_folder), *BASE)
    store, studies = Store(home), SearchStore(home)
    wait_until(lambda: bool(store.runs()) and len(epochs_of(store, store.runs()[0].id)) >= 2, first)
    middle = store.runs()[0].id
    for wish in ("save", "pause"):  # so that it is in the middle for as long as the other process needs to begin
        store.requests.add(middle, wish)
    wait_until(lambda: store.run(middle).status == "paused", first)
    second = start_process(home, "-m", "cnn_core", "search", "shared", "--join", "--json")
    wait_until(lambda: len(store.runs()) == 2, second)  # it has a trial of its own, which waits for the device
    first.send_signal(signal.SIGKILL)
    first.wait()
    out, err = second.communicate(timeout=300)
    assert second.returncode == 0, err

    result, trials, runs = json.loads(out), studies.trials("shared"), store.runs()
    assert result["status"] == studies.status("shared") == "done" and len(result["trials"]) == len(trials) == TRIALS
    assert {trial.state for trial in trials} == {"complete"} and len({str(trial.settings) for trial in trials}) == TRIALS
    assert sorted(trial.run for trial in trials) == sorted(run.id for run in runs) and len(runs) == TRIALS
    for trial in trials:
        (run,) = [run for run in runs if run.id == trial.run]
        assert run.status == "finished" and trial.value == run.summary["best_val_accuracy"]
        assert set(epochs_of(store, run.id)) == set(range(1, EPOCHS + 1)) and run.summary["epochs"] == EPOCHS
    assert [run.id for run in runs if store.log.read(run.id, kinds=(Resumed,))] == [middle]
