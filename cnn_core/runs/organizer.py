"""Organising runs: names, notes and tags, the bin, and the order of the queue. In: a store. Out: changed rows and folders."""

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cnn_core.data.open import has_images
from cnn_core.errors import RunError
from cnn_core.home import cached_results, epoch_file, saved_epochs
from cnn_core.runs.queue import ORDER, WAITING
from cnn_core.runs.quota import file_bytes
from cnn_core.runs.run import Run
from cnn_core.runs.sharing import hand_over
from cnn_core.runs.store import Store

MAX_NAME_LENGTH, MAX_NOTES_LENGTH, MAX_TAG_LENGTH, MAX_TAGS = 80, 4000, 30, 12
IS_ACTIVE = "Run {run} is {activity}. Stop it first."
ACTIVITIES = {"queued": "still waiting", "running": "still training", "paused": "paused"}  # by status


@dataclass(frozen=True)
class RunOrganizer:
    """Organises the runs of `store`. May be shared between threads."""

    store: Store

    def removed(self) -> list[Run]:
        """Return the runs in the bin, last removed first."""
        return self.store.select("where id is not null and removed is not null order by removed desc", ())

    def describe(self, run: str, *, name: str | None = None, notes: str | None = None, tags: Iterable[str] | None = None) -> None:
        """Set the name, notes or tags of the run; None leaves a value unchanged. Raises RunError for a text that is too long."""
        values = {"name": name and name.strip(), "notes": notes and notes.strip()}
        for column, limit in (("name", MAX_NAME_LENGTH), ("notes", MAX_NOTES_LENGTH)):
            if len(values[column] or "") > limit:
                raise RunError(f"The {column} of a run can have up to {limit:,} characters. Shorten it.")
        if tags is not None:
            unique = sorted({tag.strip() for tag in tags} - {""})
            if len(unique) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in unique):
                raise RunError(
                    f"A run can have up to {MAX_TAGS} tags of up to {MAX_TAG_LENGTH} characters. Use fewer or shorter tags."
                )
            values["tags"] = json.dumps(unique)
        self.store.run(run)
        with self.store.database.connect() as db:
            for column, value in values.items():
                if value is not None:
                    db.execute(f"update runs set {column} = ? where id = ?", (value, run))

    def remove(self, run: str) -> None:
        """Move a run that has ended to the bin; its files stay. Raises RunError for one that trains or waits.

        A run that another person's exercise uses passes to that person instead.
        """
        _check_ended(self.store.run(run))
        if hand_over(self.store.database, run):
            return
        with self.store.database.connect() as db:
            db.execute("update runs set removed = ? where id = ?", (time.time(), run))

    def restore(self, run: str) -> None:
        """Restore a run from the bin."""
        with self.store.database.connect() as db:
            db.execute("update runs set removed = null where id = ?", (run,))

    def empty_bin(self, owner: str | None = None) -> int:
        """Delete the runs in the bin with their folders, those of `owner` or all; return their number."""
        removed = [run for run in self.removed() if owner in (None, run.owner) and not hand_over(self.store.database, run.id)]
        for run in removed:
            shutil.rmtree(self.store.home.run_folder(run.id), ignore_errors=True)
            with self.store.database.connect() as db:
                for table, column in (
                    ("events", "run"),
                    ("digests", "run"),
                    ("requests", "run"),
                    ("shared_runs", "run"),
                    ("runs", "id"),
                ):
                    db.execute(f"delete from {table} where {column} = ?", (run.id,))
        return len(removed)

    def surplus_epochs(self, run: Run) -> list[Path]:
        """Return the files of the saved epochs of a run that has ended, except the best and the last one; none for one that trains or waits."""
        folder = self.store.home.run_folder(run.id)
        saved = [] if run.is_active else saved_epochs(folder)
        return [epoch_file(folder, epoch) for epoch in saved[:-1] if epoch != run.summary.get("best_epoch")]

    def cached_results(self, run: Run) -> list[Path]:
        """Return the files of a run that has ended that can be computed again; none where its model or its images are missing."""
        files = [] if run.is_active else cached_results(self.store.home.run_folder(run.id))
        can_compute = files and self.store.has_model(run.id) and has_images(run.config.data, self.store.home)
        return files if can_compute else []

    def free_space(self, run: str) -> int:
        """Delete the saved epochs of a run except the best and the last one, and its cached results; return their bytes.

        Raises RunError for a run that trains or waits.
        """
        current = self.store.run(run)
        _check_ended(current)
        surplus = self.surplus_epochs(current) + self.cached_results(current)
        freed = sum(map(file_bytes, surplus))
        for path in surplus:
            path.unlink(missing_ok=True)
        return freed

    def move(self, run: str, place: int) -> None:
        """Move a waiting run to position `place` (from 0) among its owner's waiting runs; the order of the owners does not change."""
        with self.store.database.connect() as db:
            owner = "(select owner from runs where id = ?)"
            rows = db.execute(
                f"select id, coalesce(place, number) from runs where {WAITING} and owner = {owner} order by {ORDER}", (run,)
            ).fetchall()
            waiting, places = [row[0] for row in rows], [row[1] for row in rows]
            if run in waiting:
                waiting.remove(run)
                waiting.insert(place, run)
                db.executemany("update runs set place = ? where id = ?", zip(places, waiting, strict=True))


def _check_ended(run: Run) -> None:
    """Raise RunError where the run trains or waits."""
    if run.is_active:
        raise RunError(IS_ACTIVE.format(run=run.id, activity=ACTIVITIES[run.status]))
