"""Uploads, saved for an import: a zip, or single files packed into a zip.

In: uploaded files. Out: a path to import, in `data/uploads/<random>/`, which the import removes when it has ended. Every file is saved: the import
decides which files it skips, and reports them. No name from outside is used as a path.
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
from cnn_core.data.owners import write_owner
from cnn_core.errors import DataError
from cnn_core.home import Home

STALE_SECONDS = 7 * 24 * 3600


def save_zip(content: BinaryIO, name: str, home: Home, owner: str = "") -> Path:
    """Save an uploaded zip of `owner` and return its path. The safe characters of its name become the title."""
    path = create_upload_folder(home, owner) / f"{_safe(Path(show_name(name)).stem)}.zip"
    content.seek(0)
    with _saving(path), path.open("wb") as file:
        shutil.copyfileobj(content, file, 2**20)
    return path


def pack_folder(files: Iterable[tuple[str, BinaryIO]], home: Home, owner: str = "") -> Path:
    """Store uploaded files (path with their folder, content) in one zip without compression; return its path. The import refuses unsafe paths.

    The zip is called like the folder, so that messages name what the person chose.
    """
    files = list(files)
    tops = {name.partition("/")[0] for name, _ in files if "/" in name}
    path = create_upload_folder(home, owner) / (_safe(show_name(tops.pop())) if len(tops) == 1 else "upload")
    with _saving(path), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            content.seek(0)
            archive.writestr(zipfile.ZipInfo(name), content.read())
    return path


def _safe(name: str) -> str:
    return re.sub(r"[^\w -]", "", name).strip()[:60] or "upload"


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
