"""A copy of an imported data set for one person, who may correct it while the common one stays as it is.

In: the name of a data set and the new owner. Out: the name of the copy. The pixels, which no correction changes, are shared on disk where the
file system can do that.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from cnn_core.data.library import imported_sets, is_path_set, set_title
from cnn_core.data.names import to_set_name
from cnn_core.data.owners import OWNER, write_owner
from cnn_core.errors import DataError
from cnn_core.home import INDEX, POOLS, Home
from cnn_core.locks import try_lock

NO_SET = "There is no imported data set “{name}”. Check the name."
NOT_COPIED = "Data set “{name}” cannot be copied ({reason}). Check free space and the permissions of the studio home."
BUSY = "Data set “{name}” is being copied or imported right now. Try again in a moment."
MAX_STEM = 40  # characters of the original's name within that of the copy


def copy_set(name: str, home: Home, owner: str, label: str) -> str:
    """Copy data set `name`, with its corrections, for `owner`; return the name of the copy, which ends with `label` (a person's name).

    Raises DataError where there is none, or the files cannot be written.
    """
    folder = home.set_folder(name)
    if not folder.is_dir():
        raise DataError(NO_SET.format(name=name))
    new = _free_name(name, label, home)
    staging, target = home.staging_folder(new), home.set_folder(new)
    try:
        staging.parent.mkdir(parents=True, exist_ok=True)
        with try_lock(home.set_lock(new)) as is_acquired:
            if not is_acquired or target.exists():
                raise DataError(BUSY.format(name=new))
            shutil.rmtree(staging, ignore_errors=True)  # of a copy that was interrupted
            shutil.copytree(
                folder, staging, copy_function=_copy_file, ignore=shutil.ignore_patterns(OWNER, POOLS, "*-journal", "*.lock")
            )
            write_owner(staging, owner)
            staging.rename(target)
    except (OSError, sqlite3.Error, shutil.Error) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise DataError(NOT_COPIED.format(name=name, reason=getattr(error, "strerror", None) or error)) from None
    return new


def _copy_file(source: str, target: str) -> None:
    """Copy one file: the index as a database, because another person may be changing it, and other files without their content if possible."""
    if Path(source).name == INDEX:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _free_name(name: str, label: str, home: Home) -> str:
    """Return a name for the copy that no data set has."""
    stem = Path(set_title(name, home)).name if is_path_set(name) else name
    try:
        base = to_set_name(f"{stem[:MAX_STEM]}-{label[:15]}".replace("/", "-").replace("\\", "-"))
    except DataError:
        base = to_set_name(f"copy-of-{name[:MAX_STEM]}")
    if is_path_set(base):
        base = f"copy-of-{base}"[:56]
    names = set(imported_sets(home))
    return next(each for number in range(1, len(names) + 2) if (each := base if number == 1 else f"{base}-{number}") not in names)
