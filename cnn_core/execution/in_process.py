"""One run from start to end: its events go into the store, requests come out of it, its status says how it ended.

Used by the dashboard's worker and by the command line alike; knows of no thread.
"""

import contextlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from cnn_core.errors import StudioError
from cnn_core.events import Continued, Event, Finished, Paused
from cnn_core.execution.device_queue import take_turn
from cnn_core.runs.digest import is_due, keep_history, read_history
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History, summarise
from cnn_core.runs.lock import hold
from cnn_core.runs.run import TRAINING
from cnn_core.runs.store import Store
from cnn_core.training.out_of_memory import is_out_of_memory
from cnn_core.training.recipe import train_run
from cnn_core.training.steering import Steering

Watch = Callable[[Event], None]
PAUSE_SECONDS = 0.1
MEMORY_RAN_OUT = "Memory ran out. Close other programs, or choose a smaller network or smaller images, and start again."


def execute(
    store: Store,
    run: str,
    *,
    watch: Watch = lambda event: None,
    should_end: Callable[[], bool] = lambda: False,
    is_held: bool = False,
    wait: Callable[[], None] | None = None,
) -> str:
    """Train run `run`, or go on with it where it was interrupted, and give its final status: finished, stopped or failed.

    `watch` is called with every event after it is stored; `should_end` is asked at every event, beside the store's requests. `is_held`:
    the caller holds the run's lock. While another run has the device or is before it in the queue, `wait` is called again and again;
    without it the status "queued" is given back at once. Raises RunError when somebody else holds the run.
    """
    with contextlib.nullcontext() if is_held else hold(store.home.run_folder(run)):
        while True:
            with take_turn(store, run, is_worker=wait is None) as is_mine:
                if is_mine:
                    return _train(store, run, watch, should_end)
            if wait is None or should_end() or store.run(run).status != "queued":
                break
            wait()
        if should_end():
            store.requests.stop(run)
        return store.run(run).status


def _train(store: Store, run: str, watch: Watch, should_end: Callable[[], bool]) -> str:
    """Train the run, which this process holds, on the device, which is free."""
    folder = store.home.run_folder(run)
    if not store.queue.start(run) and store.run(run).status not in TRAINING:
        return store.run(run).status
    begun, history, error = time.perf_counter(), read_history(store, run), ""
    try:
        store.quota.check_disk(store.run(run).owner)  # earlier runs of theirs may have taken it since this one began to wait
        status = _Drive(store, run, history, watch, should_end).to_the_end()
    except StudioError as problem:
        status, error = "failed", str(problem)
    except Exception as problem:
        status, error = "failed", MEMORY_RAN_OUT if is_out_of_memory(problem) else _keep_details(folder)
    summary = summarise(history) | {"seconds": round(time.perf_counter() - begun, 3)}
    keep_history(store, run, history)
    store.set_status(run, status, summary=summary, error=error)
    return status


def _keep_details(folder: Path) -> str:
    """Write down the exception that is being handled; gives the sentence that says where."""
    (folder / "error.txt").write_text(traceback.format_exc())
    return f"Something in CNN Studio itself went wrong. The details are in {folder / 'error.txt'}; please report them."


class _Drive:
    """One run being trained: what was asked of it is handed on after every event."""

    def __init__(self, store: Store, run: str, history: History, watch: Watch, should_end: Callable[[], bool]) -> None:
        self._store, self._run, self._history, self._watch = store, run, history, watch
        self._should_end = lambda: should_end() or store.requests.should_stop(run)
        self._steering = Steering()
        self._kept = history.seq

    def to_the_end(self) -> str:
        """Ask for events until there are no more ("finished") or somebody wants an end ("stopped")."""
        config, folder = self._store.run(self._run).config, self._store.home.run_folder(self._run)
        training = train_run(config, folder, self._store.home, resume=self._history.seq > 0, steering=self._steering)
        with contextlib.closing(training) as events:
            for event in events:
                if event is None:
                    time.sleep(PAUSE_SECONDS)
                else:
                    self._record(event)
                if not isinstance(event, Finished) and self._should_end():
                    return "stopped"
                self._listen()
        return "finished"

    def _record(self, event: Event) -> None:
        self._store.log.append(self._run, [event])
        self._history.add([StoredEvent(self._history.seq + 1, event)])
        if is_due(self._history, self._kept):
            keep_history(self._store, self._run, self._history)
            self._kept = self._history.seq
        if isinstance(event, (Paused, Continued)):
            self._store.set_status(self._run, "paused" if isinstance(event, Paused) else "running")
        self._watch(event)

    def _listen(self) -> None:
        for request in self._store.requests.take(self._run):
            if request.kind == "save":
                self._steering.should_save = True
            elif request.kind == "change":
                self._steering.changes |= request.body
            else:
                self._steering.is_paused = request.kind == "pause"
