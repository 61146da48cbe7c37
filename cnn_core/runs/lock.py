"""Who is training a run right now: a lock on a file in the run's folder, which the kernel lets go when its process dies.

That makes "interrupted" a fact that can be asked of the operating system, with no heartbeat to miss and no process number to mistake.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cnn_core.errors import RunError
from cnn_core.home import Home
from cnn_core.locks import is_locked, try_lock

NAME = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the run's lock for the block. Raises RunError when another process or thread holds it."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_mine = stack.enter_context(try_lock(folder / NAME))
        except OSError as error:
            raise RunError(f"The folder of run {folder.name} cannot be used ({error.strerror}). Check its permissions.") from None
        if not is_mine:
            raise RunError(f"Run {folder.name} is already being trained by another process. Watch it in the dashboard.")
        yield


def is_held(folder: Path) -> bool:
    """Whether some living process holds the run's lock."""
    return is_locked(folder / NAME)


def worker_lock(home: Home) -> Path:
    """The file whose lock the one process holds that trains the home's waiting runs."""
    return home.root / ".worker.lock"
