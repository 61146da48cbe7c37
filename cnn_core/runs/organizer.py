"""Keeping order among runs: their names, notes and tags, the bin, and the order in which they wait. In: a store. Nothing here trains."""

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cnn_core.errors import RunError
from cnn_core.home import EPOCHS
from cnn_core.runs.queue import ORDER, WAITING
from cnn_core.runs.quota import folder_bytes
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

LONGEST_NAME, LONGEST_NOTES, LONGEST_TAG, MOST_TAGS = 80, 4000, 30, 12


@dataclass(frozen=True)
class RunOrganizer:
    """The runs of `store`, to be put in order. May be shared between threads."""

    store: Store

    def removed(self) -> list[Run]:
        """The runs in the bin, last removed first."""
        return self.store.select("where id is not null and removed is not null order by removed desc", ())

    def describe(self, run: str, *, name: str | None = None, notes: str | None = None, tags: Iterable[str] | None = None) -> None:
        """Give the run a name, notes or tags of a person's own; None leaves what is there. Raises RunError for what is too long."""
        given = {"name": name and name.strip(), "notes": notes and notes.strip()}
        for what, longest in (("name", LONGEST_NAME), ("notes", LONGEST_NOTES)):
            if given[what] is not None and len(given[what]) > longest:
                raise RunError(f"A run's {what} can have up to {longest:,} letters. Shorten it.")
        if tags is not None:
            kept = sorted({tag.strip() for tag in tags} - {""})
            if len(kept) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in kept):
                raise RunError(
                    f"A run can have up to {MOST_TAGS} tags of up to {LONGEST_TAG} letters. Use fewer or shorter ones."
                )
            given["tags"] = json.dumps(kept)
        self.store.run(run)
        with self.store.database.connect() as db:
            for column, value in given.items():
                if value is not None:
                    db.execute(f"update runs set {column} = ? where id = ?", (value, run))

    def remove(self, run: str) -> None:
        """Put a run that has ended into the bin; everything of it is kept. Raises RunError for one that trains or waits."""
        if self.store.run(run).is_active:
            raise RunError(f"Run {run} is still waiting or training. Stop it first.")
        with self.store.database.connect() as db:
            db.execute("update runs set removed = ? where id = ?", (time.time(), run))

    def restore(self, run: str) -> None:
        """Take a run out of the bin."""
        with self.store.database.connect() as db:
            db.execute("update runs set removed = null where id = ?", (run,))

    def empty_bin(self, owner: str | None = None) -> int:
        """Delete the runs in the bin for good, those of `owner` or all, with their folders; gives how many they were."""
        removed = [run for run in self.removed() if owner in (None, run.owner)]
        for run in removed:
            shutil.rmtree(self.store.home.run_folder(run.id), ignore_errors=True)
            with self.store.database.connect() as db:
                for table, column in (("events", "run"), ("digests", "run"), ("requests", "run"), ("runs", "id")):
                    db.execute(f"delete from {table} where {column} = ?", (run.id,))
        return len(removed)

    def drop_epochs(self, run: str) -> int:
        """Delete the states that were kept after the epochs of a run that has ended; gives their bytes. Raises RunError for one that trains."""
        if self.store.run(run).is_active:
            raise RunError(f"Run {run} is still waiting or training. Stop it first.")
        folder = self.store.home.run_folder(run) / EPOCHS
        freed = folder_bytes(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return freed

    def move(self, run: str, place: int) -> None:
        """Let a queued run be the `place`-th (from 0) of its owner's that wait; the order of people's turns is not changed."""
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
