"""Files that several processes share: atomic writes and SQLite transactions."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

BUSY_SECONDS = 10  # the longest time that a transaction waits for another one


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace `path` by a file that `write` fills. After a crash there is the old file or the new one."""
    with replacing(path) as file:
        write(file)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` at the end of the block (fsync, rename) and is deleted where the block raises an error."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")  # two threads may write the same path
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
    """Run the block as one transaction on a connection of its own: committed at the end of the block, rolled back on an error. Raises `refusal(error)`
    when the database cannot be used."""
    try:
        with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as db, db:
            yield db
    except sqlite3.Error as error:
        raise refusal(error) from None
