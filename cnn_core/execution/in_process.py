"""Train one run in this process: its events go into the store, requests come out of it, its status says how it ended.

In: a store and a run. Out: the run's final status. Used by the dashboard's worker and by the command line; knows nothing of threads.
"""

import contextlib
import errno
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from cnn_core.errors import StudioError
from cnn_core.events import Continued, Epoch, Event, Finished, Paused, Steps
from cnn_core.execution.device_queue import acquire_device
from cnn_core.files import find_os_error
from cnn_core.home import CARD
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history, save_history, should_save
from cnn_core.runs.lock import hold
from cnn_core.runs.run import TRAINING
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history
from cnn_core.training.controls import TrainingControls
from cnn_core.training.out_of_memory import is_out_of_memory
from cnn_core.training.recipe import train_run

PAUSE_SECONDS = 0.1
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
DISK = "The files of the run could not be written in {folder} ({reason}). Free some disk space, then resume the run."
FAILED = "CNN Studio failed unexpectedly. Please report the details in {path}."
FAILED_UNRECORDED = (
    "CNN Studio failed unexpectedly ({error}), and the details could not be written ({reason}). Check the free disk space."
)
OUT_OF_MEMORY = "The memory is full. Close other programs, or choose a smaller model or smaller images, and start again."


def execute(
    store: Store,
    run: str,
    *,
    watch: Callable[[Event], None] = lambda event: None,
    should_end: Callable[[], bool] = lambda: False,
    is_held: bool = False,
    wait: Callable[[], None] | None = None,
) -> str:
    """Train `run`, or resume it, and return its final status: finished, stopped or failed.

    watch: called with every event after it is stored. should_end: called after every event; True stops the run, as a request in the store does. is_held: the
    caller holds the run's lock. wait: called again and again while another run has the device or is before this one in the queue;
    without it, "queued" is returned at once. Raises RunError when another process or thread holds the run, or this version cannot read it.
    """
    store.run(run)  # raises RunError for a run of another version: its status stays
    with contextlib.nullcontext() if is_held else hold(store.home.run_folder(run)):
        while True:
            with acquire_device(store, run, is_worker=wait is None) as is_acquired:
                if is_acquired:
                    return _train(store, run, watch, should_end)
            if wait is None or should_end() or store.run(run).status != "queued":
                break
            wait()
        if should_end():
            store.requests.stop(run)
        return store.run(run).status


def _train(store: Store, run: str, watch: Callable[[Event], None], should_end: Callable[[], bool]) -> str:
    """Train the run. This process holds the run and its device."""
    folder = store.home.run_folder(run)
    if not store.queue.start(run) and store.run(run).status not in TRAINING:
        return store.run(run).status
    started, history, error = time.perf_counter(), read_history(store, run), ""
    execution = _Execution(store, run, history, watch, should_end)
    is_branch, had_begun = bool(store.run(run).parent), store.has_begun(run)
    try:
        store.quota.check_disk(store.run(run).owner)  # other runs of the same person may have filled it while this one waited
        status = execution.train()
    except StudioError as problem:
        status, error = "failed", str(problem)
    except Exception as problem:
        status, error = "failed", _describe(problem, folder)
    if is_branch and not had_begun and not execution.has_trained:  # the model and all epochs are still those of its parent
        (folder / CARD).unlink(missing_ok=True)
    own = history if store.has_begun(run) else History()  # before that, a branch has the epochs of its parent only
    summary = summarise_history(own) | {"seconds": round(time.perf_counter() - started, 3)}
    save_history(store, run, history)
    store.set_status(run, status, summary=summary, error=error)
    return status


def _describe(problem: Exception, folder: Path) -> str:
    """Return the message for the exception that is being handled; one that nothing explains is written to error.txt."""
    if is_out_of_memory(problem):
        return OUT_OF_MEMORY
    cause = find_os_error(problem)
    if cause and cause.errno in DISK_ERRORS:
        return DISK.format(folder=folder, reason=cause.strerror)
    try:
        (folder / "error.txt").write_text(traceback.format_exc())
    except OSError as refusal:
        return FAILED_UNRECORDED.format(error=type(problem).__name__, reason=refusal.strerror)
    return FAILED.format(path=folder / "error.txt")


class _Execution:
    """A run that is being trained. Requests to it are passed to the training after every event."""

    def __init__(
        self, store: Store, run: str, history: History, watch: Callable[[Event], None], should_end: Callable[[], bool]
    ) -> None:
        self._store, self._run, self._history, self._watch = store, run, history, watch
        self._caller_should_end = should_end
        self._controls = TrainingControls()
        self._saved_seq = history.seq
        self.has_trained = False  # whether a step of this execution was recorded

    def train(self) -> str:
        """Iterate over the events; return "finished" at their end, or "stopped" when the training should end before."""
        config, folder = self._store.run(self._run).config, self._store.home.run_folder(self._run)
        training = train_run(config, folder, self._store.home, resume=self._history.started is not None, controls=self._controls)
        with contextlib.closing(training) as events:
            for event in events:
                if event is None:
                    time.sleep(PAUSE_SECONDS)
                else:
                    self._record(event)
                if not isinstance(event, Finished) and self._should_end():
                    return "stopped"
                self._take_requests()
        return "finished"

    def _should_end(self) -> bool:
        return self._caller_should_end() or self._store.requests.should_stop(self._run)

    def _record(self, event: Event) -> None:
        self._store.log.append(self._run, [event])
        self._history.add([StoredEvent(self._history.seq + 1, event)])
        if should_save(self._history, self._saved_seq):
            save_history(self._store, self._run, self._history)
            self._saved_seq = self._history.seq
        self.has_trained |= isinstance(event, (Steps, Epoch))
        if isinstance(event, (Paused, Continued)):
            self._store.set_status(self._run, "paused" if isinstance(event, Paused) else "running")
        self._watch(event)

    def _take_requests(self) -> None:
        for request in self._store.requests.take(self._run):
            if request.kind == "save":
                self._controls.should_save = True
            elif request.kind == "change":
                self._controls.changes |= request.body
            else:
                self._controls.is_paused = request.kind == "pause"
