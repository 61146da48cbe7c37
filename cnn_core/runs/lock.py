"""The lock of a run: a file in its folder, locked by the process that trains it. The operating system releases it when the process dies.

So a run whose process has died is recognised without heartbeats or process ids. In: the folder of a run. Out: a lock for a block.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cnn_core.errors import RunError
from cnn_core.home import Home
from cnn_core.locks import is_locked, try_lock

NAME = ".lock"
IS_TRAINED = "Run {run} is already being trained by another process. Open it on the Train page."


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the run's lock for the block. Raises RunError when another process or thread holds it."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_acquired = stack.enter_context(try_lock(folder / NAME))
        except OSError as error:
            raise RunError(f"The folder of run {folder.name} cannot be used ({error.strerror}). Check its permissions.") from None
        if not is_acquired:
            raise RunError(IS_TRAINED.format(run=folder.name))
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds the run's lock."""
    return is_locked(folder / NAME)


def worker_lock(home: Home) -> Path:
    """Return the lock file of the process that trains the home's waiting runs."""
    return home.root / ".worker.lock"
