"""The home's searches worked off while a server runs, a trial of each in turn. A duty for the worker, which gives it a thread.

Another process may work a search off already: it holds the search's lock, and this one leaves that search alone until it has ended.
Importing this module imports neither torch nor Optuna.
"""

import contextlib
import logging
import time
from collections.abc import Callable

from cnn_core.errors import StudioError
from cnn_core.locks import try_lock
from cnn_core.runs.store import Store
from cnn_core.search.studies import SearchStore

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 5  # after a trouble that may pass
WRONG = "Something in CNN Studio itself went wrong. The details are in the terminal; please report them."


def work_on_searches(studies: SearchStore, store: Store, should_end: Callable[[], bool]) -> None:
    """Work off whatever searches there are until `should_end`, which is asked often; the trial under way is kept."""
    while not should_end():
        with contextlib.suppress(StudioError, OSError):  # a busy store: look again
            for name in studies.active():
                with contextlib.suppress(StudioError):  # one that cannot be read must not keep the others waiting
                    _work_off(studies, store, name, should_end)
        _rest(LOOK_SECONDS, should_end)


def _work_off(studies: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    with try_lock(studies.lock(studies.search(name))) as is_mine:
        if not is_mine:
            return
        from cnn_core.search.runner import run_search

        try:
            has_others = lambda: len(studies.active()) > 1  # noqa: E731
            wait = lambda: time.sleep(LOOK_SECONDS)  # noqa: E731
            run_search(studies, store, name, should_end=should_end, wait=wait, should_pass_on=has_others)
        except StudioError:  # the search says why, or the trouble passes: then it goes on
            _rest(AGAIN_SECONDS, should_end)
        except Exception as error:  # a mistake of ours must not end the thread, nor be made again and again
            logging.getLogger("cnn_studio").error("Search %s failed", name, exc_info=error)
            studies.cancel(name, WRONG)


def _rest(seconds: float, should_end: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not should_end():
        time.sleep(0.1)
