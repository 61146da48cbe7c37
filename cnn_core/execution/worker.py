"""The background worker of a server: a thread that trains queued runs, one that imports data, and one for each background task.

    start, stop        called from the server's event loop when it starts and ends
    warm_up            may be called from any thread, any number of times
    a background task  is called once, on its own thread, with a function that returns whether to end; it calls that function often,
                       returns when it is True, and handles its own errors
    (everything else happens on the worker's own threads)

Pages do not talk to the worker: they add a run to the store, or an import to the jobs, and request to stop it there. `stop` waits for the
training step or image in progress, however long it takes. The threads are not daemons and check between events whether the main
thread is alive, so that a server that ends leaves them time to save: a thread that is ended within torch would abort the process.
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
WARM_UP_DELAY = 1.0  # seconds for a browser to paint its first page before torch is imported

BackgroundTask = Callable[[Callable[[], bool]], None]


class Worker:
    """Trains the store's queued runs, imports data sets and runs `tasks`, by name, each on its own thread, from `start` to `stop`."""

    def __init__(self, store: Store, tasks: Mapping[str, BackgroundTask] | None = None) -> None:
        self._store = store
        self._jobs = Jobs(store.home)
        self._ending = threading.Event()
        self._should_warm_up = threading.Event()
        self._is_warm = False
        self._threads = (
            threading.Thread(target=self._train, name="trainer"),
            threading.Thread(target=self._import, name="importer"),
            *(threading.Thread(target=task, args=(self._should_end,), name=name) for name, task in (tasks or {}).items()),
        )

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the current run and import after their current step or image, saving their state, and wait for the threads."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        """Import torch in the background, so that the first run and the first parameter count do not wait for it."""
        self._should_warm_up.set()

    def _train(self) -> None:
        """Train the waiting runs, unless another server does so for the same home; when that one ends, this one takes over."""
        while not self._should_end():
            with contextlib.suppress(OSError), try_lock(worker_lock(self._store.home)) as is_locked:
                self._pause()
                while is_locked and not self._should_end():
                    with contextlib.suppress(StudioError):  # the store is busy: try again
                        self._train_next()
                    self._pause()
            self._ending.wait(POLL_SECONDS)

    def _pause(self) -> None:
        """Wait a moment, and import torch after a call of `warm_up`."""
        if self._should_warm_up.is_set() and not self._is_warm:
            self._ending.wait(WARM_UP_DELAY)
            import cnn_core.execution.in_process  # noqa: F401  (imports torch)

            self._is_warm = True
        self._ending.wait(POLL_SECONDS)

    def _train_next(self) -> None:
        for run in self._store.queue.waiting():
            from cnn_core.execution.in_process import execute

            try:
                if execute(self._store, run, should_end=self._should_end) == "queued":
                    continue  # its device is in use; the next run may be for another one
            except StudioError:
                continue  # another process holds it, or its folder cannot be used
            return

    def _import(self) -> None:
        with contextlib.suppress(StudioError):
            self._jobs.requeue_interrupted()
        while not self._should_end():
            with contextlib.suppress(StudioError):
                if self._jobs.run_next(self._should_end):
                    continue
            self._ending.wait(POLL_SECONDS)

    def _should_end(self) -> bool:
        return self._ending.is_set() or not threading.main_thread().is_alive()
