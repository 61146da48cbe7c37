"""The bin of data sets: a removed data set stays in it with its corrections until it is restored or the bin is emptied.

In: a name and a studio home. Out: folders moved between `data/sets/<name>/` and `data/removed/<time>-<name>/` (Unix time in whole seconds).
The original files, and the models and figures of runs, are never changed. Importing this module does not import torch.
"""

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnn_core.data.owners import owner_of
from cnn_core.errors import DataError
from cnn_core.home import SET_NAME, Home
from cnn_core.locks import try_lock

FOLDER_NAME = re.compile(rf"(\d{{1,12}})-({SET_NAME.pattern})")
IN_BIN = "Data set “{data}” is in the bin. Restore it on the Data page under Storage, or with the command “data restore {name}”."
NO_SUCH_SET = "There is no imported data set “{name}”. Check the name."
NOT_IN_BIN = "There is no data set “{name}” in the bin. Check the name, or import the images again."
NAME_TAKEN = "There already is a data set “{name}”, so the one in the bin was not restored. Remove that one first."
NOT_DELETED = (
    "{names} could not be deleted as a whole: {path} ({reason}). What else is in the bin was deleted. Check the permissions of the studio home and "
    "end the programs that use these files, then empty the bin again."
)
NOT_MOVED = "Data set “{name}” cannot be moved ({reason}). Check the permissions of the studio home."
IN_USE = "“{name}” is in use right now. Try again in a moment."


@dataclass(frozen=True)
class RemovedSet:
    """A data set in the bin. at: when it was removed, Unix seconds."""

    name: str
    at: int
    folder: Path

    @property
    def owner(self) -> str:
        """The person to whom it belongs, "" where there is none."""
        return owner_of(self.folder)


def removed_sets(home: Home) -> list[RemovedSet]:
    """Return the data sets in the bin, last removed first."""
    root = home.data / "removed"
    matches = [(FOLDER_NAME.fullmatch(entry.name), entry) for entry in root.iterdir()] if root.is_dir() else []
    found = [RemovedSet(match[2], int(match[1]), entry) for match, entry in matches if match]
    return sorted(found, key=lambda removed: (-removed.at, removed.name))


def is_in_bin(name: str, home: Home) -> bool:
    """Whether a data set of this name is in the bin."""
    return any(removed.name == name for removed in removed_sets(home))


def remove_set(name: str, home: Home) -> None:
    """Move an imported data set to the bin; the original files stay. Raises DataError when there is none or it is in use."""
    folder, at = home.set_folder(name), int(time.time())
    if not folder.is_dir():
        raise DataError(NO_SUCH_SET.format(name=name))
    target = home.data / "removed" / f"{at}-{name}"
    while target.exists():
        at += 1
        target = target.with_name(f"{at}-{name}")
    _move(folder, target, name, home)


def restore_set(name: str, home: Home, at: int | None = None) -> None:
    """Restore a data set from the bin: the last removed of this name, or that removed `at`. Raises DataError when it is not there or in use."""
    removed = next((one for one in removed_sets(home) if one.name == name and at in (None, one.at)), None)
    if removed is None:
        raise DataError(NOT_IN_BIN.format(name=name[:80]))
    if home.set_folder(name).exists():
        raise DataError(NAME_TAKEN.format(name=name))
    _move(removed.folder, home.set_folder(name), name, home)


def empty_bin(home: Home, may_delete: Callable[[str], bool] = lambda owner: True) -> list[RemovedSet]:
    """Delete the data sets in the bin whose owner `may_delete` accepts, and return them.

    One that cannot be deleted does not keep the others. Raises DataError then, which names what was left.
    """
    deleted = [removed for removed in removed_sets(home) if may_delete(removed.owner)]
    left: dict[str, tuple[Path, str]] = {}
    for removed in deleted:
        try:
            shutil.rmtree(removed.folder)
        except OSError as error:
            left[removed.name] = (Path(error.filename or removed.folder), error.strerror or str(error))
    if left:
        path, reason = next(iter(left.values()))
        names = ", ".join(f"“{name}”" for name in left)
        raise DataError(NOT_DELETED.format(names=names, path=path.name, reason=reason))
    return deleted


def _move(folder: Path, target: Path, name: str, home: Home) -> None:
    """Move the folder of a data set while no other process imports one of this name."""
    lock = home.set_lock(name)
    try:
        for parent in (lock.parent, target.parent):
            parent.mkdir(parents=True, exist_ok=True)
        with try_lock(lock) as is_acquired:
            if not is_acquired:
                raise DataError(IN_USE.format(name=name))
            folder.rename(target)
    except OSError as error:
        raise DataError(NOT_MOVED.format(name=name, reason=error.strerror or error)) from None
