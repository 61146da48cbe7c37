"""Downloads that can be interrupted and continued, checked by a known checksum.

In: an Archive (its addresses, its MD5) and a folder. Out: a generator of Progress; when it ends, the verified file is in the folder. An
incomplete download is saved as `.part`, and the next download requests only the rest.
"""

import hashlib
import shutil
import urllib.error
import urllib.request
from collections.abc import Generator, Iterable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from cnn_core.errors import DataError
from cnn_core.events import Progress

CHUNK = 2**20
STAGE = "Downloading {title} (MB)"
SAVED = "are saved and will not be downloaded again."
TIMEOUT = 20  # seconds without a response
Downloading = Generator[Progress, None, None]


class Archive(NamedTuple):
    """A file of the catalogue: its name, the addresses to try in turn, its MD5, its size in MB."""

    name: str
    urls: tuple[str, ...]
    md5: str
    megabytes: float


def fetch(archive: Archive, folder: Path, title: str) -> Downloading:
    """Download `archive` into `folder` unless it is there. Raises DataError."""
    target = folder / archive.name
    if target.is_file():
        return
    partial = target.with_suffix(target.suffix + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield from download(archive.urls, partial, title)
    except (OSError, HTTPException) as error:
        received = partial.stat().st_size if partial.is_file() else 0
        if not received:
            partial.unlink(missing_ok=True)
        saved = f" {received / 1e6:.0f} MB {SAVED}" if received else ""
        raise DataError(
            f"{title} could not be downloaded ({getattr(error, 'reason', error)}).{saved} Check the network connection and start again, "
            f"import it from your own file {archive.name}, or choose digits, which needs no network."
        ) from None
    if _md5(partial) != archive.md5:
        partial.unlink()
        raise DataError(f"The download of {title} is damaged: its checksum is wrong. It was removed; start again to download it.")
    partial.rename(target)


def add_archive(file: Path, archives: Iterable[Archive], folder: Path) -> Archive:
    """Copy `file` into `folder` as the archive that has its checksum. Raises DataError when no archive has it."""
    archives = tuple(archives)
    try:
        md5 = _md5(file)
        for archive in archives:
            if archive.md5 == md5:
                folder.mkdir(parents=True, exist_ok=True)
                scratch = folder / f"{archive.name}.copy"
                shutil.copyfile(file, scratch)
                scratch.rename(folder / archive.name)
                return archive
    except OSError as error:
        raise DataError(
            f"{file} cannot be read or copied ({error.strerror}). Check the path, its permissions and free space."
        ) from None
    raise DataError(
        f"{file.name} is not one of the files {', '.join(a.name for a in archives)}: its checksum differs. Choose one of these files."
    )


def download(urls: tuple[str, ...], partial: Path, title: str) -> Downloading:
    """Download the rest of the file `partial` from the first address that responds. Yields Progress in MB. Raises OSError or HTTPException."""
    for number, url in enumerate(urls, start=1):
        done = partial.stat().st_size if partial.is_file() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
        try:
            with (
                urllib.request.urlopen(request, timeout=TIMEOUT) as response,
                partial.open("ab" if response.status == 206 else "wb") as file,
            ):
                total = file.tell() + int(response.headers.get("Content-Length") or 0)
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    yield Progress(STAGE.format(title=title), file.tell() // 10**6, max(total // 10**6, 1))
                if file.tell() < total:
                    raise ConnectionError("the connection was cut")
            return
        except urllib.error.HTTPError as error:
            if error.code == 416 and done:  # nothing is missing
                return
            if number == len(urls):
                raise
        except (OSError, HTTPException):
            if number == len(urls):
                raise


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()
