"""What is to be imported: a list that pages add to and the importing thread works off. One table in a SQLite file of its own.

A job is a catalogue set to obtain, or a source to import under a name. Its progress is written down as it goes, so that any page can
show it; a job whose process died is taken up again by the next server, and an upload that was its source is removed when it is done.
Importing this module imports neither torch nor Pillow.
"""

import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_core.errors import DataError, StudioError
from cnn_core.events import Progress
from cnn_core.files import transaction
from cnn_core.home import Home

SCHEMA = """
create table if not exists jobs (
    id integer primary key, name text not null, source text not null, options text not null, is_upload integer not null,
    status text not null, stage text not null default '', done integer not null default 0, total integer not null default 1,
    error text not null default '', changed real not null, owner text not null default ''
);
"""
WRITE_SECONDS = 0.25
ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class Job:
    """One import. status: queued, running, finished, failed or cancelled. `source`: "" for a set of the catalogue. `owner`: who asked for it."""

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
        return self.status in ACTIVE


class Jobs:
    """The jobs of one studio home. Methods may be called from any thread and process; `work` from the importing thread only."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._file = home.data / "jobs.db"

    def add(
        self, name: str, source: str = "", options: dict[str, Any] | None = None, *, is_upload: bool = False, owner: str = ""
    ) -> None:
        """Ask for an import. Raises DataError when one of that name is under way, or the name is taken or no name."""
        if source and self.home.set_folder(name).exists():
            raise DataError(f"There is a data set “{name}” already. Choose another name, or remove that set first.")
        with self._open() as db:
            db.execute("begin immediate")  # two who ask at once: the second one waits, and sees the first one's job
            if db.execute("select 1 from jobs where name = ? and status in ('queued', 'running')", (name,)).fetchone():
                raise DataError(f"“{name}” is being imported right now. Wait until that is done, or choose another name.")
            db.execute("delete from jobs where name = ?", (name,))
            values = (name, source, json.dumps(options or {}), is_upload, time.time(), owner)
            db.execute(
                "insert into jobs (name, source, options, is_upload, status, changed, owner) values (?, ?, ?, ?, 'queued', ?, ?)",
                values,
            )

    def all(self) -> list[Job]:
        """Every job, the newest first."""
        with self._open() as db:
            found = db.execute(
                "select id, name, source, options, is_upload, status, stage, done, total, error, changed, owner from jobs"
                " order by id desc"
            )
            return [Job(*row[:3], json.loads(row[3]), bool(row[4]), *row[5:]) for row in found]

    def cancel(self, job: int) -> None:
        """End a job; what was read of it is kept until the same is asked for again."""
        with self._open() as db:
            ended = "update jobs set status = 'cancelled' where id = ? and status = ? returning source, is_upload"
            waiting = db.execute(ended, (job, "queued")).fetchone()
            db.execute(ended, (job, "running")).fetchone()
        if waiting and waiting[1]:  # of a running one, the importing thread removes it
            _remove_upload(waiting[0])

    def forget(self, job: int) -> None:
        """Take an ended job off the list."""
        with self._open() as db:
            db.execute("delete from jobs where id = ? and status not in ('queued', 'running')", (job,))

    def recover(self) -> None:
        """Queue again what was running when its process died; for the one who is about to work."""
        if self._file.exists():
            with self._open() as db:
                db.execute("update jobs set status = 'queued' where status = 'running'")

    def work(self, should_end: Any) -> bool:
        """Do the oldest queued job to its end, or until `should_end()`; False when there is none."""
        if not self._file.exists():
            return False
        job = next((job for job in reversed(self.all()) if job.status == "queued"), None)
        if job is None:
            return False
        if not self._update(job, status="running"):
            return True
        try:
            status, error = self._run(job, should_end), ""
        except StudioError as refusal:
            status, error = "failed", str(refusal)
        except Exception:  # a mistake of ours must not end all imports to come
            logging.getLogger("cnn_studio").exception("An import failed")
            status, error = (
                "failed",
                "Something in CNN Studio itself went wrong with this import. The details are in the terminal.",
            )
        self._update(job, status=status, error=error)
        if job.is_upload and status != "queued":
            _remove_upload(job.source)
        return True

    def _run(self, job: Job, should_end: Any) -> str:
        """The status that the job ends with."""
        written = 0.0
        for progress in steps_of(job, self.home):
            if should_end():
                return "queued"  # the next server goes on
            if time.monotonic() - written > WRITE_SECONDS:
                if not self._update(job, stage=progress.stage, done=progress.done, total=progress.total):
                    return "cancelled"
                written = time.monotonic()
        return "finished"

    def _update(self, job: Job, **values: Any) -> bool:
        """Write values into a job's row, unless it was cancelled; whether it was not."""
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
            _make_table(db)
            yield db

    def _refusal(self, error: Exception) -> DataError:
        return DataError(f"The list of imports {self._file} cannot be used ({error}). Check free space and permissions.")


def _make_table(db: sqlite3.Connection) -> None:
    db.executescript(SCHEMA)
    if "owner" not in {row[1] for row in db.execute("pragma table_info(jobs)")}:  # made by an earlier version
        with suppress(sqlite3.OperationalError):  # another process adds it at the same moment
            db.execute("alter table jobs add column owner text not null default ''")


def _remove_upload(source: str) -> None:
    shutil.rmtree(Path(source).parent, ignore_errors=True)


def steps_of(job: Job, home: Home) -> Iterator[Progress]:
    """The import that a job stands for."""
    from cnn_core.data.catalog import CATALOG
    from cnn_core.data.catalog_source import CatalogSource
    from cnn_core.data.importer import ImportOptions, import_files

    if not job.source:
        return CatalogSource(CATALOG[job.name], home).obtain()
    return import_files(job.name, Path(job.source), ImportOptions(**job.options), home, owner=job.owner)
