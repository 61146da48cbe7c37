"""Downloads that can be cut off and gone on with, checked by the checksum that is known beforehand.

In: an Archive (where it may be fetched, its MD5) and a folder. Out: a generator of Progress whose end leaves the checked file there. What
came so far lies beside it as `.part`, and the next try asks the server for the rest only.
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
TIMEOUT = 20  # seconds without an answer
Downloading = Generator[Progress, None, None]


class Archive(NamedTuple):
    """A file that the catalogue knows: its name, the addresses to try in turn, its MD5, its size in MB."""

    name: str
    urls: tuple[str, ...]
    md5: str
    megabytes: float


def fetch(archive: Archive, folder: Path, title: str) -> Downloading:
    """Have `archive` in `folder`, downloaded where it is missing. Raises DataError with what to do about it."""
    place = folder / archive.name
    if place.is_file():
        return
    partial = place.with_suffix(place.suffix + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield from _download(archive, partial, title)
    except (OSError, HTTPException) as error:
        came = partial.stat().st_size if partial.is_file() else 0
        if not came:
            partial.unlink(missing_ok=True)
        kept = f" {came / 1e6:.0f} MB came and are kept." if came else ""
        raise DataError(
            f"{title} could not be downloaded ({getattr(error, 'reason', error)}).{kept} Check the network connection and start again, "
            f"import it from a file {archive.name} that you have, or choose digits, which needs no network."
        ) from None
    if _md5(partial) != archive.md5:
        partial.unlink()
        raise DataError(
            f"The download of {title} is damaged: its checksum differs. It was removed; start again to download it afresh."
        )
    partial.rename(place)


def add_archive(file: Path, archives: Iterable[Archive], folder: Path) -> Archive:
    """Put a file that the person has into `folder`, as the archive whose checksum it has. Raises DataError when it is none of them."""
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
        f"{file.name} is not what is needed: its checksum is none of those of {', '.join(a.name for a in archives)}. Choose one of these files."
    )


def _download(archive: Archive, partial: Path, title: str) -> Downloading:
    """The rest of the file, from the first address that answers."""
    for number, url in enumerate(archive.urls, start=1):
        done = partial.stat().st_size if partial.is_file() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
        try:
            with (
                urllib.request.urlopen(request, timeout=TIMEOUT) as answer,
                partial.open("ab" if answer.status == 206 else "wb") as file,
            ):
                total = file.tell() + int(answer.headers.get("Content-Length") or 0)
                while piece := answer.read(CHUNK):
                    file.write(piece)
                    yield Progress(f"Downloading {title} (MB)", file.tell() // 10**6, max(total // 10**6, 1))
                if file.tell() < total:
                    raise ConnectionError("the connection was cut")
            return
        except urllib.error.HTTPError as error:
            if error.code == 416 and done:  # there is no rest: all of it came before
                return
            if number == len(archive.urls):
                raise
        except (OSError, HTTPException):
            if number == len(archive.urls):
                raise


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()
