"""The searches of a studio home: asked for, cancelled, gone on with, and read. Kept in a SQLite file of their own, `searches.db`.

    searches           one row a search: its plan, how it stands (searching, cancelled or done), what went wrong
    Optuna's tables    its study, named by the search's token, with the trials

Whoever works a search off (see `drive`) looks at its row between events, so a search may be asked for, and its end, from any process.
Every method may be called from any thread. Optuna is loaded when trials are read, not before.
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
from cnn_core.search.plan import Plan
from cnn_core.search.storage import load_optuna, open_storage, translating
from cnn_core.search.trials import Trial, best_of, importance_of, read_trials

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
REMEDY = "Check free space and permissions, or set CNN_STUDIO_HOME to another folder."


@dataclass(frozen=True)
class Search:
    """A row: the plan and how it stands. `created`: Unix seconds. `trouble`: the sentence that says why it cannot go on, "" for none."""

    name: str
    token: str
    created: float
    plan: Plan
    status: Status
    trouble: str

    @property
    def origin(self) -> str:
        """What the runs of its trials say of what made them, before the trial's number."""
        return f"search/{self.token}"


class SearchStore:
    """The searches of one studio home. Nothing is created before the first search is. Methods raise StudioError for a search that is not there."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = home.root / "searches.db"
        self._opening = threading.Lock()

    def create(self, plan: Plan) -> str:
        """Add a search, which is worked off from now on; gives its name. Raises SettingError where there is one of that name."""
        with self._connect() as db:
            made = db.execute(
                "insert into searches (name, token, created, plan) values (?, ?, ?, ?) on conflict (name) do nothing",
                (plan.name, _token(plan.name), time.time(), plan.to_json()),
            ).rowcount
        if not made:
            raise SettingError(f"There is a search “{plan.name}” already. Choose another name.", "name")
        return plan.name

    def names(self) -> list[str]:
        """All searches, newest first."""
        return [row[0] for row in self._rows("select name from searches order by number desc")]

    def active(self) -> list[str]:
        """The searches that are to be worked off, oldest first."""
        return [row[0] for row in self._rows("select name from searches where status = 'searching' order by number")]

    def search(self, name: str) -> Search:
        """The search called `name`."""
        found = self._rows("select name, token, created, plan, status, trouble from searches where name = ?", name)
        if not found:
            raise StudioError(f"There is no search “{name[:80]}”. `python -m cnn_core search --list` lists them.")
        name, token, created, plan, status, trouble = found[0]
        return Search(name, token, created, Plan.from_json(plan), status, trouble)

    def name_of(self, origin: str) -> str:
        """The search that made a run which says so in its `origin`; "" for other runs, and where the search was removed."""
        token = origin.removeprefix("search/").partition("/")[0] if origin.startswith("search/") else ""
        found = self._rows("select name from searches where token = ?", token)
        return found[0][0] if found else ""

    def plan(self, name: str) -> Plan:
        return self.search(name).plan

    def status(self, name: str) -> Status:
        """How the search stands; a cheap question, asked at every event."""
        found = self._rows("select status from searches where name = ?", name)
        return found[0][0] if found else "cancelled"

    def cancel(self, name: str, trouble: str = "") -> None:
        """Have the trial that trains stopped, and no new one begun; both can be gone on with. `trouble` says why nobody can go on now."""
        self._set(name, "cancelled", trouble, only="searching")

    def finish(self, name: str) -> None:
        """Say that there is nothing left to try."""
        self._set(name, "done", "", only="searching")

    def resume(self, name: str, trials: int | None = None) -> None:
        """Let the search go on where it was, with `trials` in all if that is given. Raises SettingError where nothing would be left to do."""
        search = self.search(name)
        plan = replace(search.plan, trials=search.plan.trials if trials is None else trials)
        tried = sum(trial.state != "running" for trial in self.trials(name))
        if plan.goal <= tried:
            every = "every combination was tried" if plan.goal < plan.trials else f"{tried:,} trials are done"
            remedy = "Begin a search over more values." if plan.goal < plan.trials else "Ask for more trials."
            raise SettingError(f"In search “{name}” {every}. {remedy}", "trials")
        with self._connect() as db:
            db.execute("update searches set plan = ? where name = ?", (plan.to_json(), name))
        self._set(name, "searching", "")

    def remove(self, name: str) -> None:
        """Forget the search; the runs of its trials stay. Raises StudioError while it is worked off."""
        search = self.search(name)
        if search.status == "searching" or is_locked(self.lock(search)):
            raise StudioError(f"Search “{name}” is being worked off. Cancel it first, and wait until its trial has ended.")
        optuna = load_optuna()
        with self.refusing():
            if search.token in optuna.get_all_study_names(self._storage):
                optuna.delete_study(study_name=search.token, storage=self._storage)
        with self._connect() as db:
            db.execute("delete from searches where name = ?", (name,))

    def trials(self, name: str) -> list[Trial]:
        """The trials so far, in the order in which they were drawn; numbers leave gaps where a draw repeated an earlier one."""
        plan = self.plan(name)
        with self.refusing():
            return read_trials(plan, self.study(name).get_trials(deepcopy=False))

    def best(self, name: str) -> Trial | None:
        """The trial with the highest validation accuracy so far (see `best_of`)."""
        return best_of(self.trials(name))

    def importance(self, name: str) -> dict[str, float]:
        """How much of the difference between trials each setting explains (see `importance_of`); empty where too few have ended."""
        with self.refusing():
            return importance_of(self.study(name).get_trials(deepcopy=False))

    def study(self, name: str) -> "Study":
        """Optuna's study of the search, made when it is missing."""
        token = self.search(name).token
        with self.refusing():
            return load_optuna().create_study(study_name=token, storage=self._storage, direction="maximize", load_if_exists=True)

    def lock(self, search: Search) -> Path:
        """The file whose lock that process holds that works the search off; others may help."""
        return self._lock_file(search.token)

    def drawing_lock(self, search: Search) -> Path:
        """The file whose lock is held while a trial is drawn, or taken over, until its run is held."""
        return self._lock_file(f"{search.token}.drawing")

    def is_attended(self, name: str) -> bool:
        """Whether a living process works the search off."""
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

    def _set(self, name: str, status: Status, trouble: str, only: str | None = None) -> None:
        self.search(name)
        with self._connect() as db:
            db.execute(
                "update searches set status = ?, trouble = ? where name = ? and status = coalesce(?, status)",
                (status, trouble, name, only),
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

    def refusing(self) -> AbstractContextManager[None]:
        """What Optuna says of its file as one of our own errors."""
        return translating(self._refusal)

    def _refusal(self, error: Exception) -> StudioError:
        return StudioError(f"The searches in {self._file} cannot be used ({error}). {REMEDY}")


def _token(name: str) -> str:
    """What stands for a search in its runs' origins, unlike that of any other that has or had the same name."""
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:30].strip('-')}-{uuid.uuid4().hex[:6]}".lstrip("-")
