"""Files that several processes share: atomic writes and SQLite transactions; and which error of the file system another error comes from."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cnn_core.errors import StudioError

BUSY_SECONDS = 10  # the longest time that a transaction waits for another one


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace `path` by a file that `write` fills. After a crash there is the old file or the new one. Raises OSError as `replacing` does."""
    with replacing(path) as file:
        write(file)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` at the end of the block (fsync, rename) and is deleted where the block raises an error.

    Raises OSError where the file cannot be written, also where the library that writes it raises an error of its own because of that, as
    torch.save does on a full disk.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")  # two threads may write the same path
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except StudioError:
        raise
    except Exception as error:
        cause = find_os_error(error)
        if cause is None or cause is error:
            raise
        raise cause from None
    finally:
        scratch.unlink(missing_ok=True)


@dataclass(frozen=True)
class Deletion:
    """What became of files that were to be deleted. freed: bytes. left: the paths that could not be deleted, each with the reason."""

    freed: int = 0
    left: tuple[tuple[Path, str], ...] = ()

    def __add__(self, other: "Deletion") -> "Deletion":
        return Deletion(self.freed + other.freed, self.left + other.left)


def delete_files(paths: Iterable[Path]) -> Deletion:
    """Delete files. One that cannot be deleted does not keep the others; one that is already gone counts as deleted."""
    freed, left = 0, list[tuple[Path, str]]()
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
            freed += size
        except FileNotFoundError:
            continue
        except OSError as error:  # in use, on Windows, or without permission
            left.append((path, error.strerror or str(error)))
    return Deletion(freed, tuple(left))


def find_os_error(error: BaseException) -> OSError | None:
    """Return the OSError that `error` is or was raised because of, None where there is none."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = seen.__cause__ or seen.__context__
    return seen


@contextmanager
def transaction(database: Path, refusal: Callable[[sqlite3.Error], Exception]) -> Iterator[sqlite3.Connection]:
    """Run the block as one transaction on a connection of its own: committed at the end of the block, rolled back on an error. Raises `refusal(error)`
    when the database cannot be used."""
    try:
        with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as db, db:
            yield db
    except sqlite3.Error as error:
        raise refusal(error) from None
