"""Runs the home's searches while a server is up, one trial of each in turn. The worker calls it in a thread.

In: the searches and runs of a studio home. Out: nothing; results are stored. A search whose lock another process holds is left to that process.
Importing this module imports neither torch nor Optuna.
"""

import contextlib
import logging
import time
from collections.abc import Callable

from cnn_core.errors import StudioError
from cnn_core.locks import try_lock
from cnn_core.runs.store import Store
from cnn_core.search.search_store import SearchStore

POLL_SECONDS = 0.5
RETRY_SECONDS = 5  # after an error that may be temporary
INTERNAL_ERROR = "CNN Studio failed unexpectedly. Please report the details in the terminal."


def work_on_searches(searches: SearchStore, store: Store, should_end: Callable[[], bool]) -> None:
    """Run all active searches until `should_end`, which is called often; a trial that is interrupted can be resumed."""
    while not should_end():
        with contextlib.suppress(StudioError, OSError):  # a busy store: try again
            for name in searches.active():
                with contextlib.suppress(StudioError):  # one that cannot be read must not block the others
                    _run_search(searches, store, name, should_end)
        _sleep(POLL_SECONDS, should_end)


def _run_search(searches: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    with try_lock(searches.lock(searches.search(name))) as is_acquired:
        if not is_acquired:
            return
        from cnn_core.search.runner import run_search

        try:
            has_others = lambda: len(searches.active()) > 1  # noqa: E731
            wait = lambda: time.sleep(POLL_SECONDS)  # noqa: E731
            run_search(searches, store, name, should_end=should_end, wait=wait, should_yield=has_others)
        except StudioError:  # the search stores why, or the error is temporary
            _sleep(RETRY_SECONDS, should_end)
        except Exception as error:  # a bug must not end the thread, nor repeat forever
            logging.getLogger("cnn_studio").error("Search %s failed", name, exc_info=error)
            searches.cancel(name, INTERNAL_ERROR)


def _sleep(seconds: float, should_end: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not should_end():
        time.sleep(0.1)
