"""The background worker: a thread that trains queued runs, one after the other, one that imports data, and one for each duty that those
above it hand down (searches). The only module that owns concurrency.

    start, stop      called from the server's event loop, at its beginning and end
    warm_up          may be called from any thread, any number of times
    a duty           is called once, on a thread of its own, with the question whether to end, which it asks often; it returns when that
                     is so, and handles its own errors
    (everything else happens on the worker's own threads)

Pages do not talk to the worker: they put a run into the store, or an import into the jobs, and ask there for its end. The threads are
no daemons, and look at the main thread between events, so that a dying server gives them time to save rather than tearing them down
inside torch.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping

from cnn_core.data.jobs import Jobs
from cnn_core.errors import StudioError
from cnn_core.locks import try_lock
from cnn_core.runs.lock import worker_lock
from cnn_core.runs.store import Store

POLL_SECONDS = 0.2
WARM_UP_DELAY = 1.0  # seconds in which a browser paints its first page undisturbed

Duty = Callable[[Callable[[], bool]], None]


class Worker:
    """Trains the store's queued runs, does the home's imports and the named `duties`, each on a thread of its own, from `start` to `stop`."""

    def __init__(self, store: Store, duties: Mapping[str, Duty] | None = None) -> None:
        self._store = store
        self._jobs = Jobs(store.home)
        self._ending = threading.Event()
        self._should_warm_up = threading.Event()
        self._is_warm = False
        self._threads = (
            threading.Thread(target=self._work, name="trainer"),
            threading.Thread(target=self._import, name="importer"),
            *(threading.Thread(target=duty, args=(self._should_end,), name=name) for name, duty in (duties or {}).items()),
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the current run and import at their next event, keeping what was done, and wait for the threads."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        """Have torch imported in the background, so that the first run and the first count of parameters need not wait for it."""
        self._should_warm_up.set()

    def _work(self) -> None:
        """Train what waits, as long as no other server does so for the same home; when that one ends, this one takes over."""
        while not self._should_end():
            with contextlib.suppress(OSError), try_lock(worker_lock(self._store.home)) as is_mine:
                self._look()
                while is_mine and not self._should_end():
                    with contextlib.suppress(StudioError):  # a busy store: look again
                        self._train_next()
                    self._look()
            self._ending.wait(POLL_SECONDS)

    def _look(self) -> None:
        """Let a moment pass, in which torch is imported if that was asked for."""
        if self._should_warm_up.is_set() and not self._is_warm:
            self._ending.wait(WARM_UP_DELAY)
            import cnn_core.execution.in_process  # noqa: F401  (brings torch)

            self._is_warm = True
        self._ending.wait(POLL_SECONDS)

    def _train_next(self) -> None:
        for run in self._store.queue.waiting():
            from cnn_core.execution.in_process import execute

            try:
                if execute(self._store, run, should_end=self._should_end) == "queued":
                    continue  # its device is taken; the next one may be for another
            except StudioError:
                continue  # another process took it first, or its folder cannot be used: the next one need not wait for it
            return

    def _import(self) -> None:
        with contextlib.suppress(StudioError):
            self._jobs.recover()
        while not self._should_end():
            with contextlib.suppress(StudioError):
                if self._jobs.work(self._should_end):
                    continue
            self._ending.wait(POLL_SECONDS)

    def _should_end(self) -> bool:
        return self._ending.is_set() or not threading.main_thread().is_alive()
