"""Files that several processes share: a write that leaves the old file or the new one after a crash, and SQLite transactions."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

BUSY_SECONDS = 10  # for so long a transaction waits for another one


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace `path` by what `write` writes. A crash leaves the old file or the new one."""
    with replacing(path) as file:
        write(file)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block has ended well, and leaves nothing when it has not: temporary file, fsync, rename."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")  # two threads may write the same
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def transaction(database: Path, refusal: Callable[[sqlite3.Error], Exception]) -> Iterator[sqlite3.Connection]:
    """One transaction on a connection of its own: committed at the end of the block, rolled back on an error. Raises `refusal(error)`
    when the database cannot be used."""
    try:
        with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as db, db:
            yield db
    except sqlite3.Error as error:
        raise refusal(error) from None
