"""The searches of a studio home: create, cancel, resume, read. Stored in a SQLite file of their own, `searches.db`.

    searches           one row for each search: its plan, status (searching, cancelled or done) and error message
    Optuna's tables    its study, named by the search's token, with the trials

The process that runs a search (see `runner`) reads its row between events, so a search may be created and cancelled from any process. Every method
may be called from any thread. Optuna is loaded when trials are read, not before.
"""

import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cnn_core.errors import SettingError, StudioError
from cnn_core.files import transaction
from cnn_core.home import Home
from cnn_core.locks import is_locked
from cnn_core.runs.database import REMEDY
from cnn_core.search.plan import SearchPlan
from cnn_core.search.storage import load_optuna, open_storage, translate_errors
from cnn_core.search.trials import Trial, best_trial, compute_importance, read_trials

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

SCHEMA = """
create table if not exists searches (
    number integer primary key autoincrement, name text not null unique, token text not null unique, created real not null,
    plan text not null, status text not null default 'searching', trouble text not null default ''
)
"""
Status = Literal["searching", "cancelled", "done"]
NAME_TAKEN = "A search “{name}” exists already. Choose another name."
NO_SEARCH = "There is no search “{name}”. `python -m cnn_core search --list` lists them."
IS_RUNNING = "Search “{name}” is running. Cancel it first and wait until its trial has ended."
ALL_TRIED = "every combination was tried"
UNUSABLE = f"The searches in {{file}} cannot be used ({{reason}}). {REMEDY}"


@dataclass(frozen=True)
class Search:
    """A row: plan and status. created: Unix seconds. error: why the search cannot continue (column `trouble`), "" for none."""

    name: str
    token: str
    created: float
    plan: SearchPlan
    status: Status
    error: str

    @property
    def origin(self) -> str:
        """The origin of the runs of its trials, without the trial's number."""
        return f"search/{self.token}"


class SearchStore:
    """The searches of one studio home. No file is created before the first search. Methods raise StudioError for an unknown search."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = home.root / "searches.db"
        self._opening = threading.Lock()

    def create(self, plan: SearchPlan) -> str:
        """Add a search, which starts at once; return its name. Raises SettingError where the name is taken."""
        with self._connect() as db:
            added = db.execute(
                "insert into searches (name, token, created, plan) values (?, ?, ?, ?) on conflict (name) do nothing",
                (plan.name, _token(plan.name), time.time(), plan.to_json()),
            ).rowcount
        if not added:
            raise SettingError(NAME_TAKEN.format(name=plan.name), "name")
        return plan.name

    def names(self) -> list[str]:
        """Return all searches, newest first."""
        return [row[0] for row in self._rows("select name from searches order by number desc")]

    def active(self) -> list[str]:
        """Return the searches that are not cancelled or done, oldest first."""
        return [row[0] for row in self._rows("select name from searches where status = 'searching' order by number")]

    def search(self, name: str) -> Search:
        """Return the search called `name`."""
        rows = self._rows("select name, token, created, plan, status, trouble from searches where name = ?", name)
        if not rows:
            raise StudioError(NO_SEARCH.format(name=name[:80]))
        name, token, created, plan, status, error = rows[0]
        return Search(name, token, created, SearchPlan.from_json(plan), status, error)

    def name_of(self, origin: str) -> str:
        """Return the search that created the run with this origin; "" for other runs and for a search that was removed."""
        token = origin.removeprefix("search/").partition("/")[0] if origin.startswith("search/") else ""
        rows = self._rows("select name from searches where token = ?", token)
        return str(rows[0][0]) if rows else ""

    def plan(self, name: str) -> SearchPlan:
        """Return the plan of the search."""
        return self.search(name).plan

    def status(self, name: str) -> Status:
        """Return the status of the search; cheap, called at every event."""
        rows = self._rows("select status from searches where name = ?", name)
        if not rows:
            return "cancelled"
        status: Status = rows[0][0]
        return status

    def cancel(self, name: str, error: str = "") -> None:
        """Stop the current trial and start no new one; the search can be resumed. `error`: the message of the error that forces this, if any."""
        self._set_status(name, "cancelled", error, only="searching")

    def finish(self, name: str) -> None:
        """Mark a running search as done."""
        self._set_status(name, "done", "", only="searching")

    def resume(self, name: str, trials: int | None = None) -> None:
        """Resume the search, up to `trials` trials in total if given. Raises SettingError where no trial is left."""
        search = self.search(name)
        plan = replace(search.plan, trials=search.plan.trials if trials is None else trials)
        ended = sum(trial.state != "running" for trial in self.trials(name))
        if plan.total_trials <= ended:
            reason = ALL_TRIED if plan.total_trials < plan.trials else f"{ended:,} trials are done"
            remedy = "Start a search with more values." if plan.total_trials < plan.trials else "Increase the number of trials."
            raise SettingError(f"In search “{name}” {reason}. {remedy}", "trials")
        with self._connect() as db:
            db.execute("update searches set plan = ? where name = ?", (plan.to_json(), name))
        self._set_status(name, "searching", "")

    def remove(self, name: str) -> None:
        """Delete the search; the runs of its trials stay. Raises StudioError while it is running."""
        search = self.search(name)
        if search.status == "searching" or is_locked(self.lock(search)):
            raise StudioError(IS_RUNNING.format(name=name))
        optuna = load_optuna()
        with self.translate_errors():
            if search.token in optuna.get_all_study_names(self._storage):
                optuna.delete_study(study_name=search.token, storage=self._storage)
        with self._connect() as db:
            db.execute("delete from searches where name = ?", (name,))

    def trials(self, name: str) -> list[Trial]:
        """Return the trials so far in the order of sampling; numbers are missing where a sample repeated an earlier one."""
        plan = self.plan(name)
        with self.translate_errors():
            return read_trials(plan, self.study(name).get_trials(deepcopy=False))

    def best(self, name: str) -> Trial | None:
        """Return the trial with the highest validation accuracy so far (see `best_trial`)."""
        return best_trial(self.trials(name))

    def importance(self, name: str) -> dict[str, float]:
        """Return the importance of each setting (see `compute_importance`); empty where too few trials have ended."""
        with self.translate_errors():
            return compute_importance(self.study(name).get_trials(deepcopy=False))

    def study(self, name: str) -> "Study":
        """Return Optuna's study of the search; create it where it is missing."""
        token = self.search(name).token
        with self.translate_errors():
            study: Study = load_optuna().create_study(
                study_name=token, storage=self._storage, direction="maximize", load_if_exists=True
            )
            return study

    def lock(self, search: Search) -> Path:
        """Return the lock file of the process that runs the search; others may train its trials too."""
        return self._lock_file(search.token)

    def sampling_lock(self, search: Search) -> Path:
        """Return the lock file that is held from sampling or taking over a trial until its run is locked."""
        return self._lock_file(f"{search.token}.drawing")

    def is_running(self, name: str) -> bool:
        """Whether a process runs the search."""
        return is_locked(self.lock(self.search(name)))

    def _lock_file(self, name: str) -> Path:
        folder = self.home.root / "searches"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    @property
    def _storage(self) -> "BaseStorage":
        with self._opening:
            return self._opened

    @cached_property
    def _opened(self) -> "BaseStorage":
        return open_storage(self._file, self._lock_file("making"))

    def _set_status(self, name: str, status: Status, error: str, only: str | None = None) -> None:
        self.search(name)
        with self._connect() as db:
            db.execute(
                "update searches set status = ?, trouble = ? where name = ? and status = coalesce(?, status)",
                (status, error, name, only),
            )

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        if not self._file.exists():
            return []
        with self._connect() as db:
            return db.execute(query, values).fetchall()

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        self.home.root.mkdir(parents=True, exist_ok=True)
        with transaction(self._file, self._refusal) as db:
            db.execute(SCHEMA)
            yield db

    def translate_errors(self) -> AbstractContextManager[None]:
        """Raise Optuna's database errors in the block as StudioError."""
        return translate_errors(self._refusal)

    def _refusal(self, error: BaseException) -> StudioError:
        return StudioError(UNUSABLE.format(file=self._file, reason=error))


def _token(name: str) -> str:
    """Return a token for the origins of the search's runs, unique also among searches of the same name."""
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:30].strip('-')}-{uuid.uuid4().hex[:6]}".lstrip("-")
