"""Uploads, saved for an import: a zip, single files packed into a zip, or a collection of images class by class.

In: uploaded files. Out: a path to import, in `data/uploads/<random>/`, which the import removes when it has ended. Every file is saved: the import
decides which files it skips, and reports them. No name from outside is used as a path, except the name of a class, which is checked, and the
safe characters of a file's name behind a number.
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

from cnn_core.data.archive import show_name
from cnn_core.data.image_files import find_other_format
from cnn_core.data.owners import write_owner
from cnn_core.errors import DataError
from cnn_core.home import Home

CLASS_NAME = re.compile(r"[^\W_][\w .,&'()+-]{0,59}")
NOT_A_CLASS = (
    "“{name}” cannot be the name of a class. Use up to 60 letters, digits and spaces, beginning with a letter or digit, and ending with neither "
    "a space nor a full stop."
)
UNSAFE, MAX_NAME = (
    re.compile(r"[^\w .-]"),
    60,
)  # characters of a file's name that are replaced; how many of the last ones are kept
STALE_SECONDS = 7 * 24 * 3600


def save_zip(content: BinaryIO, name: str, home: Home, owner: str = "") -> Path:
    """Save an uploaded zip of `owner` and return its path. The safe characters of its name become the title."""
    stem = re.sub(r"[^\w -]", "", Path(show_name(name)).stem)[:60] or "upload"
    path = create_upload_folder(home, owner) / f"{stem}.zip"
    content.seek(0)
    with _saving(path), path.open("wb") as file:
        shutil.copyfileobj(content, file, 2**20)
    return path


def pack_folder(files: Iterable[tuple[str, BinaryIO]], home: Home, owner: str = "") -> Path:
    """Store uploaded files (path in their folder, content) in one zip without compression; return its path. The import refuses unsafe paths."""
    path = create_upload_folder(home, owner) / "folder.zip"
    with _saving(path), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            content.seek(0)
            archive.writestr(zipfile.ZipInfo(name), content.read())
    return path


def create_collection(home: Home, owner: str = "") -> Path:
    """Create an empty folder for images that are uploaded class by class."""
    folder = create_upload_folder(home, owner) / "collection"
    folder.mkdir()
    return folder


def add_to_class(collection: Path, class_name: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Add files (name, content) to a class of the collection. Raises DataError when the name of the class is invalid."""
    if not CLASS_NAME.fullmatch(class_name) or class_name.endswith((" ", ".")):
        raise DataError(NOT_A_CLASS.format(name=show_name(class_name)))
    folder = collection / class_name
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in folder.iterdir())
    for name, content in files:
        (folder / f"{number:05} {UNSAFE.sub('_', name)[-MAX_NAME:]}").write_bytes(content)
        number += 1


def count_images(collection: Path) -> dict[str, int]:
    """Count the image files of every class."""
    if not collection.is_dir():
        return {}
    folders = [folder for folder in sorted(collection.iterdir()) if folder.is_dir()]
    return {
        folder.name: sum(find_other_format(folder, file.name, None) is None for file in folder.iterdir()) for folder in folders
    }


@contextmanager
def _saving(path: Path) -> Iterator[None]:
    """Save an upload in the block and remove it when that fails. Raises DataError."""
    try:
        yield
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise DataError(f"The upload cannot be saved ({error.strerror}). Check free space and permissions.") from None


def create_upload_folder(home: Home, owner: str = "") -> Path:
    """Create a folder for an upload of `owner`, and remove uploads older than STALE_SECONDS."""
    root = home.data / "uploads"
    try:
        for old in root.iterdir() if root.is_dir() else ():
            if time.time() - old.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        folder = root / secrets.token_hex(8)
        folder.mkdir(parents=True)
        write_owner(folder, owner)
    except OSError as error:
        raise DataError(f"The upload cannot be saved in {root} ({error.strerror}). Check free space and permissions.") from None
    return folder
