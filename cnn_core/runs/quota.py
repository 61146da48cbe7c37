"""What a person may still take of a server that many share: runs that wait, and disk space. In: a store with limits, a person. Out: a refusal.

Disk space is what lies in the folders of their runs, those in the bin among them, and of their images. A person of 300 runs with 30 files
each is counted in 0.1 s.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_core.data.owners import folders_of
from cnn_core.errors import RunError
from cnn_core.runs.limits import space_in_words

if TYPE_CHECKING:
    from cnn_core.runs.store import Store

LARGEST_NAMED = 3


def check_queue(store: "Store", owner: str, more: int = 1) -> None:
    """Raise RunError where fewer than `more` runs of `owner` may be added to those that wait."""
    share = store.limits.queue_share
    if share is None:
        return
    with store.connect() as db:
        (count,) = db.execute("select count(*) from runs where status = 'queued' and owner = ?", (owner,)).fetchone()
    if count + more <= share:
        return
    if more > 1:
        raise RunError(
            f"These are {more} runs. At most {share:,} of one person may wait here, and {count:,} of yours do. Choose fewer, or wait until they train."
        )
    raise RunError(f"{_runs(count)} already, the most that may here. Wait until one of them trains, or stop one.")


def check_disk(store: "Store", owner: str, more: int = 0) -> None:
    """Raise RunError when what is `owner`'s, and `more` bytes that are to come, do not fit into the disk space of one person."""
    quota = store.limits.disk_quota
    if quota is None:
        return
    sizes = sizes_of(store, owner)
    used = sum(sizes.values())
    if used + more <= quota and used < quota:
        return
    asked = f", and {space_in_words(more)} are to come" if more else ""
    largest = ", ".join(
        f"{folder.name} ({space_in_words(sizes[folder])})"
        for folder in sorted(sizes, key=sizes.get, reverse=True)[:LARGEST_NAMED]
    )
    advice = f" The largest are {largest}." if largest else ""
    raise RunError(
        f"Your runs and images take {space_in_words(used)} of {space_in_words(quota)}{asked}. On the Runs page free space of runs, or remove some and empty the bin; "
        f"on the Data page remove a set of yours.{advice}"
    )


def used_bytes(store: "Store", owner: str) -> int:
    """The disk space of all that is `owner`'s."""
    return sum(sizes_of(store, owner).values())


def sizes_of(store: "Store", owner: str) -> dict[Path, int]:
    """Bytes of each folder of a run or of images that is `owner`'s; a run and a set may have the same name."""
    with store.connect() as db:
        runs = [run for (run,) in db.execute("select id from runs where owner = ? and id is not null", (owner,))]
    folders = [*map(store.home.run_folder, runs), *folders_of(store.home, owner)]
    return {folder: folder_bytes(folder) for folder in folders}


def folder_bytes(folder: Path) -> int:
    """The bytes of all files in `folder` and below; what vanishes meanwhile counts nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def _runs(count: int) -> str:
    return "One run of yours waits" if count == 1 else f"{count:,} runs of yours wait"
