"""The queue of imports: pages add jobs and the importing thread runs them. One table in a SQLite file of its own.

A job imports a data set of the catalogue, or a source under a name. Its progress is stored, so that any page can show it. A job whose process
ended is queued again by the next server. An uploaded source is removed when its job has ended, a collection when it has been imported. A job that
has to ask something waits until it is answered. Importing this module imports neither torch nor Pillow.
"""

import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.data.names import NAME_TAKEN
from cnn_core.data.validation_use import SplitQuestion, UndecidedError
from cnn_core.errors import BusyError, DataError, StudioError
from cnn_core.events import Progress
from cnn_core.files import transaction
from cnn_core.home import Home

if TYPE_CHECKING:
    from cnn_core.data.collection import Collection

SCHEMA = """
create table if not exists jobs (
    id integer primary key, name text not null, source text not null, options text not null, is_upload integer not null,
    status text not null, stage text not null default '', done integer not null default 0, total integer not null default 1,
    error text not null default '', changed real not null, owner text not null default ''
);
"""
WRITE_SECONDS = 0.25
ACTIVE = ("queued", "running")
ASKING = "asking"  # the status of a job that waits for an answer


@dataclass(frozen=True)
class Job:
    """One import. status: queued, running, asking, finished, failed or cancelled. `source`: "" for a data set of the catalogue. error: the message
    of a failed job; of one that asks, the numbers of its question as JSON. `owner`: who started it."""

    id: int
    name: str
    source: str
    options: dict[str, Any]
    is_upload: bool
    status: str
    stage: str
    done: int
    total: int
    error: str
    changed: float
    owner: str = ""

    @property
    def is_active(self) -> bool:
        """Whether the import is queued or running."""
        return self.status in ACTIVE

    @property
    def question(self) -> SplitQuestion | None:
        """The question that the job waits to be answered, None for any other job."""
        return SplitQuestion(**json.loads(self.error)) if self.status == ASKING else None


class Jobs:
    """The jobs of one studio home. Methods may be called from any thread and process; `run_next` from the importing thread only."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = home.data / "jobs.db"

    def add(
        self, name: str, source: str = "", options: dict[str, Any] | None = None, *, is_upload: bool = False, owner: str = ""
    ) -> None:
        """Queue an import, and forget the ended ones of its owner, whose results it replaces.

        Raises DataError when the name is invalid, taken, or being imported.
        """
        if source and self.home.set_folder(name).exists():
            raise DataError(NAME_TAKEN.format(name=name))
        with self._open() as db:
            db.execute("begin immediate")  # of two simultaneous calls the second waits, and then finds the job of the first
            if db.execute("select 1 from jobs where name = ? and status in ('queued', 'running')", (name,)).fetchone():
                raise BusyError(name)
            _forget(db, "name = ?", name)
            _forget(db, f"status != '{ASKING}' and owner = ?", owner)
            values = (name, source, json.dumps(options or {}), is_upload, time.time(), owner)
            db.execute(
                "insert into jobs (name, source, options, is_upload, status, changed, owner) values (?, ?, ?, ?, 'queued', ?, ?)",
                values,
            )

    def all(self) -> list[Job]:
        """Return every job, the newest first."""
        with self._open() as db:
            rows = db.execute(
                "select id, name, source, options, is_upload, status, stage, done, total, error, changed, owner from jobs"
                " order by id desc"
            )
            return [_job_from_row(row) for row in rows]

    def cancel(self, job: int) -> None:
        """Cancel a job; its decoded images are reused when the same import is started again."""
        with self._open() as db:
            cancel = "update jobs set status = 'cancelled' where id = ? and status = ? returning source, is_upload"
            queued = db.execute(cancel, (job, "queued")).fetchone()
            db.execute(cancel, (job, "running")).fetchone()
        if queued and queued[1]:  # the upload of a running job is removed by the importing thread
            _remove_upload(queued[0])

    def answer(self, job: int, validation_as: str) -> None:
        """Answer the question of a job, "test" or "validation", and queue it again. Nothing happens where it does not ask."""
        with self._open() as db:
            row = db.execute("select options from jobs where id = ? and status = ?", (job, ASKING)).fetchone()
            if row:
                options = json.dumps(json.loads(row[0]) | {"validation_as": validation_as})
                db.execute(
                    "update jobs set status = 'queued', error = '', options = ?, changed = ? where id = ?",
                    (options, time.time(), job),
                )

    def remove(self, job: int) -> None:
        """Remove an ended job from the list; of one that asks, also its upload."""
        with self._open() as db:
            _forget(db, "id = ?", job)

    def requeue_interrupted(self) -> None:
        """Queue again the jobs that were running when their process died; called by the importing thread before `run_next`."""
        if self._file.exists():
            with self._open() as db:
                db.execute("update jobs set status = 'queued' where status = 'running'")

    def run_next(self, should_stop: Callable[[], bool]) -> bool:
        """Run the oldest queued job to its end, or until `should_stop()`; return False when there is none."""
        if not self._file.exists():
            return False
        job = next((job for job in reversed(self.all()) if job.status == "queued"), None)
        if job is None:
            return False
        if not self._update(job, status="running"):
            return True
        try:
            status, error = self._run(job, should_stop), ""
        except UndecidedError as undecided:
            status, error = ASKING, json.dumps(asdict(undecided.question))
        except StudioError as refusal:
            status, error = "failed", str(refusal)
        except Exception:  # a bug in one import must not prevent later ones
            logging.getLogger("cnn_studio").exception("An import failed")
            status, error = (
                "failed",
                "CNN Studio failed unexpectedly. Please report the details in the terminal.",
            )
        self._update(job, status=status, error=error)
        if job.is_upload and status not in ("queued", ASKING):
            _remove_upload(job.source)
        if status == "finished" and is_collection(job, self.home):
            _collection_of(job, self.home).clear()
        return True

    def _run(self, job: Job, should_stop: Callable[[], bool]) -> str:
        """Import, storing the progress; return the status that the job ends with."""
        written = 0.0
        for progress in import_steps(job, self.home):
            if should_stop():
                return "queued"  # the next server continues
            if time.monotonic() - written > WRITE_SECONDS:
                if not self._update(job, stage=progress.stage, done=progress.done, total=progress.total):
                    return "cancelled"
                written = time.monotonic()
        return "finished"

    def _update(self, job: Job, **values: Any) -> bool:
        """Store values in a job's row unless it was cancelled; return whether they were stored."""
        names = ", ".join(f"{name} = ?" for name in values)
        with self._open() as db:
            query = f"update jobs set {names}, changed = ? where id = ? and status != 'cancelled'"
            return db.execute(query, (*values.values(), time.time(), job.id)).rowcount == 1

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from None
        with transaction(self._file, self._refusal) as db:
            _create_table(db)
            yield db

    def _refusal(self, error: Exception) -> DataError:
        return DataError(f"The list of imports {self._file} cannot be used ({error}). Check free space and permissions.")


def _create_table(db: sqlite3.Connection) -> None:
    db.executescript(SCHEMA)
    if "owner" not in {row[1] for row in db.execute("pragma table_info(jobs)")}:  # created by an earlier version
        with suppress(sqlite3.OperationalError):  # another process adds it at the same moment
            db.execute("alter table jobs add column owner text not null default ''")


def _job_from_row(row: tuple[Any, ...]) -> Job:
    job, name, source, options, is_upload, status, stage, done, total, error, changed, owner = row
    return Job(job, name, source, json.loads(options), bool(is_upload), status, stage, done, total, error, changed, owner)


def is_collection(job: Job, home: Home) -> bool:
    """Whether a job imports the images that its owner collected class by class."""
    return job.source.startswith(str(home.data)) and job.source == str(_collection_of(job, home).source)


def _collection_of(job: Job, home: Home) -> "Collection":
    from cnn_core.data.collection import Collection

    return Collection(home, job.owner)


def _forget(db: sqlite3.Connection, where: str, value: int | str) -> None:
    """Remove the ended jobs for which the condition `where` is true, and the uploads of those that asked."""
    ended = f"delete from jobs where {where} and status not in ('queued', 'running') returning source, is_upload, status"
    for source, is_upload, status in db.execute(ended, (value,)).fetchall():
        if is_upload and status == ASKING:
            _remove_upload(source)


def _remove_upload(source: str) -> None:
    shutil.rmtree(Path(source).parent, ignore_errors=True)


def import_steps(job: Job, home: Home) -> Iterator[Progress]:
    """Yield the progress of the import of `job`. Raises DataError."""
    from cnn_core.data.catalog import CATALOG
    from cnn_core.data.catalog_source import CatalogSource
    from cnn_core.data.importer import ImportOptions, import_files
    from cnn_core.data.listing import list_source

    if not job.source:
        return CatalogSource(CATALOG[job.name], home).ensure_imported()
    source, options = Path(job.source), ImportOptions(**job.options)
    listing = list_source(source, is_by_class=True) if is_collection(job, home) else None
    return import_files(job.name, source, options, home, listing, owner=job.owner, asks=True)
