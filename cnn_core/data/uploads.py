"""What people send, put on the disk for an import: a zip as it came, single files packed into a zip, or a collection class by class.

Everything lies under `data/uploads/<random>/`, which the import removes when it is done. No name that came from outside is ever used as a
path, but for a class's, which is checked.
"""

import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cnn_core.data.archive import check_name, show_name
from cnn_core.data.decoder import MAX_BYTES, SUFFIXES
from cnn_core.data.listing import PART_FOLDERS
from cnn_core.data.owners import write_owner
from cnn_core.errors import DataError
from cnn_core.home import Home

CLASS_NAME = re.compile(r"[^\W_][\w .,&'()+-]{0,59}")
STALE_SECONDS = 7 * 24 * 3600


def keep_zip(content: BinaryIO, name: str, home: Home, owner: str = "") -> Path:
    """Copy an uploaded zip of `owner` to the disk; gives its path. Its name is kept as far as a title goes."""
    stem = re.sub(r"[^\w -]", "", Path(show_name(name)).stem)[:60] or "upload"
    path = new_folder(home, owner) / f"{stem}.zip"
    content.seek(0)
    with _writing(path), path.open("wb") as file:
        shutil.copyfileobj(content, file, 2**20)
    return path


def pack(files: Iterable[tuple[str, BinaryIO]], home: Home, owner: str = "") -> Path:
    """Put uploaded files (their path below the folder, their content) into one zip, unpacked; gives its path."""
    path = new_folder(home, owner) / "folder.zip"
    with _writing(path), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            if check_name(name) is None:
                content.seek(0)
                archive.writestr(zipfile.ZipInfo(name), content.read())
    return path


def begin_collection(home: Home, owner: str = "") -> Path:
    """An empty folder for pictures that come class by class."""
    folder = new_folder(home, owner) / "collection"
    folder.mkdir()
    return folder


def collect(collection: Path, class_name: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Add pictures (name, content) to a class of the collection. Raises DataError when the class cannot be called that."""
    if not CLASS_NAME.fullmatch(class_name) or class_name.casefold() in PART_FOLDERS or class_name.endswith((" ", ".")):
        raise DataError(
            f"“{show_name(class_name)}” cannot be a class. Use up to 60 letters, digits and spaces, beginning with a letter or digit, and not train, val or test."
        )
    folder = collection / class_name
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in folder.iterdir())
    for name, content in files:
        suffix = Path(name).suffix.lower()
        if suffix in SUFFIXES and len(content) <= MAX_BYTES:
            (folder / f"{number:05}{suffix}").write_bytes(content)
            number += 1


def count_collected(collection: Path) -> dict[str, int]:
    """Pictures by class."""
    if not collection.is_dir():
        return {}
    return {folder.name: sum(1 for _ in folder.iterdir()) for folder in sorted(collection.iterdir()) if folder.is_dir()}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A block that writes an upload; what is left of one that failed is removed. Raises DataError."""
    try:
        yield
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise DataError(f"The upload cannot be kept ({error.strerror}). Check free space and permissions.") from None


def new_folder(home: Home, owner: str = "") -> Path:
    """A folder of its own, `owner`'s; those that nobody came back for are removed."""
    root = home.data / "uploads"
    try:
        for old in root.iterdir() if root.is_dir() else ():
            if time.time() - old.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        folder = root / secrets.token_hex(8)
        folder.mkdir(parents=True)
        write_owner(folder, owner)
    except OSError as error:
        raise DataError(f"An upload cannot be kept in {root} ({error.strerror}). Check free space and permissions.") from None
    return folder
