"""The run store: the only place where training and watching meet: one SQLite file, with five interfaces.

    Store       the runs: settings, status, summary
    .log        events: appended by the process that trains a run, read by all others from any sequence number on
    .requests   requests to a run (stop, pause, continue, save, change): added by any process, taken by the one that trains it
    .queue      the waiting runs in the order in which they are trained
    .quota      how many waiting runs and how much disk space are left to a person

A Store may be shared between threads, and any number of processes may use one file (see `database`). Importing this module does not import
torch.
"""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.files import write_atomically
from cnn_core.home import CARD, CHECKPOINT, CONFIG, WEIGHTS, Home
from cnn_core.runs.database import REMEDY, RunDatabase
from cnn_core.runs.event_log import EventLog
from cnn_core.runs.limits import UNLIMITED, Limits
from cnn_core.runs.queue import RunQueue
from cnn_core.runs.quota import Quota
from cnn_core.runs.requests import RequestBox
from cnn_core.runs.run import Run, list_runs, read_run, select_runs

NO_FOLDER = f"The folder {{folder}} of the run cannot be written ({{reason}}). {REMEDY}"
ID_SECONDS = 2  # a run gets its id at most this long after its row


class Store:
    """The store of one studio home; creates the file when it is missing. Raises StudioError when the file cannot be used.

    limits: of each person. A person who has reached one cannot create a run.
    """

    def __init__(self, home: Home, limits: Limits = UNLIMITED) -> None:
        self.home = home
        self.database = RunDatabase(home)
        self.log = EventLog(self.database)
        self.requests = RequestBox(self.database)
        self.quota = Quota(self.database, limits)
        self.queue = RunQueue(self.database, self.quota)

    def create(
        self,
        config: TrainConfig,
        status: str = "queued",
        *,
        submission: str | None = None,
        parent: str = "",
        parent_epoch: int | None = None,
        owner: str = "",
        origin: str = "",
        work: float | None = None,
        prepare: Callable[[str, Path], object] = lambda run, folder: None,
    ) -> str:
        """Add a run and its folder with `config.json`; return its id, like 0007-digits.

        work: multiply-adds of the training, None where they are not known; short runs are trained first (see `queue`).
        submission: a key that identifies one click on Start (column `press`): calls with the same key create one run. prepare: called with id
        and folder before any other process can see the run. Raises StudioError where `owner` has reached a limit.
        """
        if submission and self._is_submitted(submission):
            return self._submitted_run(submission)
        self.quota.check(owner, will_wait=status == "queued")
        now = time.time()
        values = (now, status, config.model_dump_json(), submission, parent, parent_epoch, owner, origin, work, now)
        with self.database.connect() as db:
            created = db.execute(
                "insert into runs (created, status, config, press, parent, parent_epoch, owner, origin, work, waiting_since)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (press) do nothing returning number",
                values,
            ).fetchall()
        if submission and not created:
            return self._submitted_run(submission)
        ((number,),) = created
        run = f"{number:04d}-{_slug(config.data)}"
        folder = self.home.run_folder(run)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / CONFIG, lambda file: file.write(config.model_dump_json(indent=2).encode()))
            prepare(run, folder)
        except OSError as error:
            raise StudioError(NO_FOLDER.format(folder=folder, reason=error.strerror or error)) from None
        # A run without an id is in no list, so every run in a list has a folder.
        with self.database.connect() as db:
            db.execute("update runs set id = ? where number = ?", (run, number))
        return run

    def _is_submitted(self, submission: str) -> bool:
        with self.database.connect() as db:
            return db.execute("select 1 from runs where press = ?", (submission,)).fetchone() is not None

    def _submitted_run(self, submission: str) -> str:
        """Return the run that was created with this key, waiting until its id is written."""
        deadline = time.monotonic() + ID_SECONDS
        while time.monotonic() < deadline:
            with self.database.connect() as db:
                (run,) = db.execute("select id from runs where press = ?", (submission,)).fetchone()
            if run:
                return str(run)
            time.sleep(0.02)
        raise StudioError(f"The run could not be created. {REMEDY}")

    def run(self, run: str) -> Run:
        """Return the run with id `run`. Raises RunError when there is none, UnreadableRunError when this version cannot read it."""
        return read_run(self.database, run)

    def unreadable_runs(self) -> list[str]:
        """Return the ids of the runs that another version made with settings that this one does not know, newest first."""
        return self.list_runs()[1]

    def runs(self) -> list[Run]:
        """Return all runs except those in the bin and unreadable ones, newest first."""
        return self.list_runs()[0]

    def list_runs(self) -> tuple[list[Run], list[str]]:
        """Return both `runs` and `unreadable_runs`, which are read together."""
        return list_runs(self.database)

    def created_by(self, origin: str) -> list[Run]:
        """Return the runs that `origin` ("search/widths") created, oldest first, also those in the bin."""
        return self.select("where id is not null and origin >= ? and origin < ? order by number", (f"{origin}/", f"{origin}0"))

    def children(self, run: str) -> list[Run]:
        """Return the runs that were branched from this one, oldest first, without those in the bin."""
        return self.select("where parent = ? and id is not null and removed is null order by number", (run,))

    def select(self, where: str, values: tuple[Any, ...] = ()) -> list[Run]:
        """Return the runs that an SQL condition selects."""
        return select_runs(self.database, where, values)

    def has_model(self, run: str) -> bool:
        """Whether the run has a saved model of its own. A branch that has not begun has a checkpoint and the best weights of its parent only."""
        folder = self.home.run_folder(run)
        return (folder / WEIGHTS).is_file() and (self.has_begun(run) or not (folder / CHECKPOINT).is_file())

    def has_begun(self, run: str) -> bool:
        """Whether the training of the run has begun; that of its parent, whose epochs a branch shows while it waits, does not count."""
        return (self.home.run_folder(run) / CARD).is_file()

    def data_version(self, run: str) -> str:
        """Return the fingerprint of the run's data; "" until it has begun."""
        try:
            return str(json.loads((self.home.run_folder(run) / CARD).read_bytes())["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def config_in_force(self, run: str, epoch: int | None = None) -> TrainConfig:
        """Return the run's settings with what was changed while it trained, until now or until the end of `epoch`."""
        row = self.run(run)
        return row.config.model_copy(update=self.log.changed_settings(run, epoch, row.parent_epoch))

    def set_status(self, run: str, status: str, *, summary: dict[str, Any] | None = None, error: str = "") -> None:
        """Set status and error of a run, and its summary unless it is None."""
        with self.database.connect() as db:
            db.execute("update runs set status = ?, error = ? where id = ?", (status, error, run))
            if summary is not None:
                db.execute("update runs set summary = ? where id = ?", (json.dumps(summary), run))


def _slug(data: str) -> str:
    """Return the data set's name as part of a run's id: its last path component in a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", data.rstrip("/").rpartition("/")[2].lower()).strip("-")[:40] or "images"
