"""The quota of each person on a shared server: the number of waiting runs and disk space.

In: the database, limits and a person. Out: a RunError where a limit is reached. Disk space is that of the folders of a person's runs (also
of those in the bin) and images. Counting 300 runs of 30 files each takes 0.1 s.
"""

import os
from pathlib import Path

from cnn_core.data.owners import folders_of
from cnn_core.errors import RunError
from cnn_core.runs.database import RunDatabase
from cnn_core.runs.limits import Limits
from cnn_core.text import counted, format_bytes

LARGEST_LISTED = 3


class Quota:
    """Checks the limits of a server for each person."""

    def __init__(self, database: RunDatabase, limits: Limits) -> None:
        self._database, self.limits = database, limits

    def check(self, owner: str, *, will_wait: bool) -> None:
        """Raise RunError where `owner` may not add a run. will_wait: it enters the queue."""
        if will_wait:
            self.check_queue(owner)
        self.check_disk(owner)

    def check_queue(self, owner: str, more: int = 1) -> None:
        """Raise RunError where fewer than `more` runs of `owner` may be added to the queue."""
        limit = self.limits.queue_limit
        if limit is None:
            return
        with self._database.connect() as db:
            query = "select count(*) from runs where status = 'queued' and owner = ?"
            (count,) = db.execute(query, (owner,)).fetchone()
        if count + more <= limit:
            return
        if more > 1:
            raise RunError(
                f"These are {more} runs. Each person may have at most {limit:,} waiting runs, and you have {count:,}. "
                "Choose fewer, or wait until some of them train."
            )
        raise RunError(f"You have {counted(count, 'waiting run')}, the maximum. Wait until one of them trains, or stop one.")

    def check_disk(self, owner: str, more: int = 0) -> None:
        """Raise RunError when the files of `owner` and `more` bytes to come exceed the disk quota."""
        quota = self.limits.disk_quota
        if quota is None:
            return
        sizes = self.sizes_of(owner)
        used = sum(sizes.values())
        if used + more <= quota and used < quota:
            return
        coming = f" and would need {format_bytes(more)} more" if more else ""
        largest = ", ".join(
            f"{folder.name} ({format_bytes(sizes[folder])})"
            for folder in sorted(sizes, key=lambda folder: sizes[folder], reverse=True)[:LARGEST_LISTED]
        )
        advice = f" The largest are {largest}." if largest else ""
        raise RunError(
            f"Your runs and images use {format_bytes(used)} of {format_bytes(quota)}{coming}. On the Runs page, free space, or remove "
            f"runs and empty the bin. On the Data page, remove a data set.{advice}"
        )

    def used_bytes(self, owner: str) -> int:
        """Return the disk space of all that belongs to `owner`."""
        return sum(self.sizes_of(owner).values())

    def sizes_of(self, owner: str) -> dict[Path, int]:
        """Return the bytes of each folder of a run or of images that belongs to `owner`; a run and a data set may have the same name."""
        with self._database.connect() as db:
            runs = [run for (run,) in db.execute("select id from runs where owner = ? and id is not null", (owner,))]
        home = self._database.home
        return {folder: folder_bytes(folder) for folder in (*map(home.run_folder, runs), *folders_of(home, owner))}


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in `folder` and below; files that vanish meanwhile count 0."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            total += file_bytes(os.path.join(path, name))
    return total


def file_bytes(path: str | Path) -> int:
    """Return the bytes of a file; 0 for one that vanished."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
