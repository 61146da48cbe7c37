"""One run from start to end: its events go into the store, requests come out of it, its status says how it ended.

Used by the dashboard's worker and by the command line alike; knows of no thread.
"""

import contextlib
import time
import traceback
from collections.abc import Callable

from cnn_core.errors import StudioError
from cnn_core.events import Event, Finished
from cnn_core.runs.history import History, summarise
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store, Stored
from cnn_core.training.recipe import train_run

Watch = Callable[[Event], None]


def execute(store: Store, run: str, *, watch: Watch = lambda event: None, should_end: Callable[[], bool] = lambda: False) -> str:
    """Train run `run`, or go on with it where it was interrupted, and give its final status: finished, stopped or failed.

    `watch` is called with every event after it is stored; `should_end` is asked at every event, beside the store's requests.
    Raises RunError when somebody else holds the run.
    """
    folder = store.home.run_folder(run)
    with hold(folder):
        if not store.start(run) and store.run(run).status != "running":
            return store.run(run).status
        begun, history, error = time.perf_counter(), History(), ""
        history.add(store.events(run))
        try:
            status = _drive(store, run, history, watch, should_end)
        except StudioError as problem:
            status, error = "failed", str(problem)
        except Exception:
            (folder / "error.txt").write_text(traceback.format_exc())
            status, error = (
                "failed",
                f"Something in CNN Studio itself went wrong. The details are in {folder / 'error.txt'}; please report them.",
            )
        summary = summarise(history) | {"seconds": round(time.perf_counter() - begun, 3)}
        store.set_status(run, status, summary=summary, error=error)
    return status


def _drive(store: Store, run: str, history: History, watch: Watch, should_end: Callable[[], bool]) -> str:
    """Ask for events until there are no more ("finished") or somebody wants an end ("stopped")."""
    training = train_run(store.run(run).config, store.home.run_folder(run), store.home, resume=history.seq > 0)
    with contextlib.closing(training) as events:
        for seq, event in enumerate(events, start=history.seq + 1):
            store.append(run, [event])
            history.add([Stored(seq, event)])
            watch(event)
            if not isinstance(event, Finished) and (should_end() or store.should_stop(run)):
                return "stopped"
    return "finished"
