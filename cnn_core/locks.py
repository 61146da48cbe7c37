"""Locks between processes, on files: the operating system releases a lock when its holder dies.

In: a path. Out: whether the block holds the lock, or whether any process does. Works on Linux, macOS and Windows (through filelock).
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
ACQUIRE_SECONDS = 0.05  # the longest time to wait for a lock, since `is_locked` holds it for a moment


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock on the file at `path` for the block; the value is False where another thread or process holds it.

    The file is created if it is missing. Raises OSError when it cannot be used.
    """
    if not path.parent.is_dir():  # which filelock would create
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    lock = _lock(path)
    try:
        lock.acquire(timeout=ACQUIRE_SECONDS)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def wait_for_lock(path: Path, should_end: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Wait for the lock on `path` until `should_end`; the value is whether the block holds it. Raises OSError as `try_lock` does."""
    while True:
        with try_lock(path) as is_acquired:
            if is_acquired or should_end():
                yield is_acquired
                return
        time.sleep(ACQUIRE_SECONDS)


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock on the file at `path`. Raises OSError when the file cannot be used.

    Where the file can only be read, the lock cannot be tried: then it may be held by a process that can write it, and the answer is True.
    """
    if not path.is_file():
        return False
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)  # a holder that releases it a moment later holds it now
    except Timeout:
        return True
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        return True
    lock.release()
    return False


def _lock(path: Path) -> FileLock:
    # The file stays: if a process deleted it while another opens it, both could hold a lock.
    return FileLock(path, mode=0o644, poll_interval=ACQUIRE_SECONDS / 10, preserve_lock_file=True)
