"""A run as a value, and reading runs from the database.

In: an SQL condition. Out: `Run` values. Importing this module does not import torch.
"""

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import RunError
from cnn_core.runs.database import RunDatabase
from cnn_core.runs.lock import is_held

COLUMNS = "id, created, status, config, summary, error, name, notes, tags, parent, parent_epoch, removed, owner, origin"
GRACE_SECONDS = 2
TRAINING = ("running", "paused")
ACTIVE = ("queued", *TRAINING)
RESUMABLE = ("stopped", "interrupted", "failed")
NO_RUN = "There is no run “{run}” in {home}. `python -m cnn_core runs` lists the runs."


@dataclass(frozen=True)
class Run:
    """One run.

    status: queued, running, paused, finished, stopped, failed, or interrupted (its process died). summary: its metrics so far (see
    `history.summarise_history`). error: the message of a failed run. created, removed: Unix seconds; removed is None unless the run is in the bin.
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
    def is_active(self) -> bool:
        """Whether it waits or trains."""
        return self.status in ACTIVE

    @property
    def can_resume(self) -> bool:
        """Whether it ended before it was completed."""
        return self.status in RESUMABLE


def select_runs(database: RunDatabase, where: str, values: tuple[Any, ...] = ()) -> list[Run]:
    """Return the runs that an SQL condition selects."""
    with database.connect() as db:
        rows = db.execute(f"select {COLUMNS} from runs {where}", values).fetchall()
    return [_check_process(database, _to_run(*row)) for row in rows]


def read_run(database: RunDatabase, run: str) -> Run:
    """Return the run with id `run`. Raises RunError when there is none."""
    database.home.run_folder(run)  # raises RunError for what cannot be a run's id
    runs = select_runs(database, "where id = ?", (run,))
    if not runs:
        raise RunError(NO_RUN.format(run=run, home=database.home.root))
    return runs[0]


def _check_process(database: RunDatabase, run: Run) -> Run:
    """Return the run, with the status interrupted if it should be training and no process holds its lock.

    In the first seconds its process may not hold the lock yet. A run that ended between the reading of its row and of its lock is read again.
    """
    if run.status not in TRAINING or time.time() - run.created <= GRACE_SECONDS or is_held(database.home.run_folder(run.id)):
        return run
    with database.connect() as db:
        row = db.execute(f"select {COLUMNS} from runs where id = ?", (run.id,)).fetchone()
    current = _to_run(*row) if row else run
    return replace(current, status="interrupted") if current.status in TRAINING else current


def _to_run(
    run: str,
    created: float,
    status: str,
    config: str,
    summary: str,
    error: str,
    name: str,
    notes: str,
    tags: str,
    *rest: Any,
) -> Run:
    """Return a row of COLUMNS as a Run; `rest` needs no conversion."""
    settings, metrics = TrainConfig.model_validate_json(config), json.loads(summary)
    return Run(run, created, status, settings, metrics, error, name, notes, tuple(json.loads(tags)), *rest)
