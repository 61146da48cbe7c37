"""Optuna's part of a home's `searches.db`: loaded when it is needed, quiet, and its troubles told as one of our own errors.

Several threads and processes may use one file. Importing this module does not import Optuna.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from cnn_core.locks import try_lock

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

BUSY_SECONDS = 60  # Optuna writes in many small transactions, so that several processes may wait for each other
LOOK_SECONDS = 0.05

_loading = threading.Lock()  # two threads that import a package at once may see half of it


def load_optuna() -> ModuleType:
    """Optuna, which says nothing of its own accord: who drives a search tells how it goes."""
    with _loading:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(file: Path, lock: Path) -> "BaseStorage":
    """Optuna's tables in the SQLite `file`, made where they are missing; who makes them holds `lock`."""
    optuna = load_optuna()
    connect = lambda: sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)  # noqa: E731
    with wait_for_lock(lock):  # two that make the tables at once would refuse each other's
        # The path goes past SQLAlchemy's reading of addresses, where ? % and braces mean something.
        return optuna.storages.RDBStorage("sqlite:///searches.db", engine_kwargs={"creator": connect})


@contextmanager
def wait_for_lock(path: Path, should_end: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Whether the block has the lock of `path`, for which it waits until `should_end`."""
    while True:
        with try_lock(path) as is_mine:
            if is_mine or should_end():
                yield is_mine
                return
        time.sleep(LOOK_SECONDS)


@contextmanager
def translating(refusal: Callable[[Exception], Exception]) -> Iterator[None]:
    """Turn what Optuna says of its file into `refusal(error)`."""
    load_optuna()
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise refusal(error.__cause__ or error) from None
