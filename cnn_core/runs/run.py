"""A run as a value, and reading runs from the database.

In: an SQL condition. Out: `Run` values, without runs that another version made with settings or a status that this one does not know.
Importing this module does not import torch.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnn_core.config.chosen import default_name
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import RunError, UnreadableRunError
from cnn_core.runs.database import RunDatabase
from cnn_core.runs.lock import is_held
from cnn_core.text import counted

COLUMNS = "id, created, status, config, summary, error, name, notes, tags, parent, parent_epoch, removed, owner, origin"
GRACE_SECONDS = 2
TRAINING = ("running", "paused")
ACTIVE = ("queued", *TRAINING)
RESUMABLE = ("stopped", "interrupted", "failed")
STATUSES = (*ACTIVE, "finished", *RESUMABLE)
STATUS_WORDS = {status: status for status in STATUSES} | {
    "queued": "waiting",
    "running": "training",
    "finished": "completed",
}  # for people
IN_BIN = "Run {run} is in the bin. Restore it on the Runs page, or with `python -m cnn_core runs --restore {run}`."
NO_RUN = "There is no run “{run}” in {home}. `python -m cnn_core runs` lists the runs."

UNREADABLE = "unreadable"  # in place of the status, where runs are listed
ARE_UNREADABLE = "{runs} cannot be shown: {names}. Another version of CNN Studio made them, with settings that this version does not know. Update CNN Studio."
MAX_NAMES = 10


@dataclass(frozen=True)
class Run:
    """One run.

    status: queued, running, paused, finished, stopped, failed, or interrupted (its process died). summary: its metrics so far (see
    `summary.summarise_history`). error: the message of a failed run. created, removed: Unix seconds; removed is None unless the run is in the bin.
    name, notes, tags: set by a person. parent: the run that this one was branched from after `parent_epoch`, "" for none. owner: who started
    it, "" without sign-in. origin: what created it unless a person did, "lesson/dropout/3/B0" or "search/widths/7" (see `lessons`, `search`).
    """

    id: str
    created: float
    status: str
    config: TrainConfig
    summary: dict[str, Any]
    error: str
    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    parent: str = ""
    parent_epoch: int | None = None
    removed: float | None = None
    owner: str = ""
    origin: str = ""

    @property
    def title(self) -> str:
        """Its name, else one made from the settings that were chosen: "ResNet-9, 30 epochs, learning rate 0.02"."""
        return self.name or default_name(self.config)

    @property
    def is_active(self) -> bool:
        """Whether it waits or trains."""
        return self.status in ACTIVE

    @property
    def can_resume(self) -> bool:
        """Whether it ended before it was completed."""
        return self.status in RESUMABLE

    @property
    def is_imported(self) -> bool:
        """Whether its model was imported and not trained here: how it was trained is then unknown, beside what its model card says."""
        return self.status == "finished" and self.summary.get("device", "") is None


def select_runs(database: RunDatabase, where: str, values: tuple[Any, ...] = ()) -> list[Run]:
    """Return the runs that an SQL condition selects, without unreadable ones (see `list_runs`)."""
    runs = (_to_run(row) for row in _select(database, where, values))
    return [_check_process(database, run) for run in runs if run]


def list_runs(database: RunDatabase) -> tuple[list[Run], list[str]]:
    """Return the runs except those in the bin, and the ids of those whose settings or status this version does not know; newest first."""
    rows = _select(database, "where id is not null and removed is null order by number desc")
    runs = [(row[0], _to_run(row)) for row in rows]
    return [_check_process(database, run) for _, run in runs if run], [name for name, run in runs if not run]


def describe_unreadable(runs: Sequence[str]) -> str:
    """Return a sentence that names runs that this version cannot read."""
    names = ", ".join(runs[:MAX_NAMES]) + (", …" if len(runs) > MAX_NAMES else "")
    return ARE_UNREADABLE.format(runs=counted(len(runs), "run"), names=names)


def _select(database: RunDatabase, where: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    with database.connect() as db:
        return db.execute(f"select {COLUMNS} from runs {where}", values).fetchall()


def read_run(database: RunDatabase, run: str) -> Run:
    """Return the run with id `run`. Raises RunError when there is none, UnreadableRunError when this version cannot read it."""
    database.home.run_folder(run)  # raises RunError for what cannot be a run's id
    rows = _select(database, "where id = ?", (run,))
    if not rows:
        raise RunError(NO_RUN.format(run=run, home=database.home.root))
    found = _to_run(rows[0])
    if found is None:
        raise UnreadableRunError(run)
    return _check_process(database, found)


def _check_process(database: RunDatabase, run: Run) -> Run:
    """Return the run, with the status interrupted if it should be training and no process holds its lock.

    In the first seconds its process may not hold the lock yet. A run that ended between the reading of its row and of its lock is read again.
    """
    if run.status not in TRAINING or time.time() - run.created <= GRACE_SECONDS or is_held(database.home.run_folder(run.id)):
        return run
    rows = _select(database, "where id = ?", (run.id,))
    current = (_to_run(rows[0]) if rows else None) or run
    return replace(current, status="interrupted") if current.status in TRAINING else current


def _to_run(row: tuple[Any, ...]) -> Run | None:
    """Return a row of COLUMNS as a Run; None where this version does not know its settings or its status."""
    run, created, status, config, summary, error, name, notes, tags, *rest = row
    try:
        settings, metrics, words = TrainConfig.model_validate_json(config), json.loads(summary), tuple(json.loads(tags))
    except (ValueError, TypeError):  # pydantic's ValidationError is a ValueError
        return None
    return Run(run, created, status, settings, metrics, error, name, notes, words, *rest) if status in STATUSES else None
