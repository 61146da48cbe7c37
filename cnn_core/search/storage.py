"""Optuna: loaded when it is needed and without its log; its tables in a home's `searches.db`; its errors as this program's errors.

Optuna's private names that are used, all in this module:
    FrozenTrial._trial_id   the key to reopen a trial that another process has started; no public name returns it

Several threads and processes may use one file. Importing this module does not import Optuna.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from cnn_core.locks import wait_for_lock

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

BUSY_SECONDS = 60  # Optuna writes in many small transactions, for which several processes wait

_loading = threading.Lock()  # one of two threads that import a package at once may use it half loaded


def load_optuna() -> ModuleType:
    """Return the module Optuna with its log turned off: the caller reports progress."""
    with _loading:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(file: Path, lock: Path) -> "BaseStorage":
    """Open Optuna's tables in the SQLite `file`; create them under `lock` where they are missing."""
    optuna = load_optuna()
    connect = lambda: sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)  # noqa: E731
    with wait_for_lock(lock):  # two processes that create the tables at once would fail
        # The path is passed by `creator`, since ? % and braces have a meaning in SQLAlchemy's URLs.
        storage: BaseStorage = optuna.storages.RDBStorage("sqlite:///searches.db", engine_kwargs={"creator": connect})
        return storage


def reopen_trial(study: "Study", frozen: "FrozenTrial") -> "Trial":
    """Return the started trial `frozen` so that it can be continued."""
    trial: Trial = load_optuna().Trial(study, frozen._trial_id)
    return trial


@contextmanager
def translate_errors(refusal: Callable[[BaseException], Exception]) -> Iterator[None]:
    """Turn Optuna's database errors into `refusal(error)`."""
    load_optuna()
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise refusal(error.__cause__ or error) from None
