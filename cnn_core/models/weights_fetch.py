"""Fetching the weights of a network of timm from the Hugging Face hub, or of one of torchvision from download.pytorch.org, with progress.

In: a network's name and a home. Out: a generator of Progress; when it ends, the checked file is in the home with its SHA-256. An incomplete file is
kept as `.part`, and the next fetch requests only the rest. The hub's own client names the file, its size and its SHA-256, and knows the person's
token and mirror; it is imported here only.
"""

import errno
import shutil
from collections.abc import Generator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from cnn_core.data.download import download
from cnn_core.errors import SettingError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.locks import try_lock
from cnn_core.models.pretrained_table import PRETRAINED
from cnn_core.models.weights_source import (
    CHECKING,
    NO_FIELD,
    NOT_ON_HUB,
    PublishedFile,
    check_file,
    file_name,
    file_sha256,
    find_cached,
    full_name,
    keep_cached,
    published_file,
    record_file,
)
from cnn_core.text import format_bytes

ASKING = "Looking for the weights"  # a stage
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REASON_LENGTH = 120
SHA256_LENGTH = 64  # hexadecimal digits
FROM_HUB = "{url}, revision {revision}"
NOT_FETCHED = (
    "The weights of {name} could not be fetched ({reason}). Check the network connection and fetch them again, or fetch the file {url} on "
    "another machine and put it into {folder} as {file}."
)
DAMAGED = (
    "The fetched weights of {name} are damaged: their SHA-256 is not the published one. They were removed. Fetch them again."
)
NO_SPACE = "The weights of {name} need {size} of disk space, and there is too little in {folder}. Free some disk space and fetch them again."
BUSY = "The weights of {name} are being fetched already. Wait until they are here."
NO_CLIENT = (
    "The package huggingface_hub, which fetches weights, is not installed. Install it with: pip install huggingface_hub. Or fetch the file {url} and "
    "put it into {folder} as {file}."
)


class Published(NamedTuple):
    """What is known of a published file. bytes: 0 where it is unknown. sha256: its first digits, or all of them; "" where they are unknown."""

    url: str
    bytes: int
    sha256: str
    revision: str


def fetch_weights(name: str, home: Home) -> Generator[Progress, None, Path]:
    """Fetch the weights of the network `name` from where they are published, or copy them from a cache, and return the kept file. Yields Progress.

    A fetch that is cancelled or interrupted is continued by the next one. Raises SettingError: without a network connection it names the file
    and the folder into which a person can put it.
    """
    yield Progress(ASKING, 0, 1)
    name = full_name(name)
    if cached := find_cached(name):
        return keep_cached(name, cached, home)
    file = published_file(name)
    if file is None:
        raise SettingError(NOT_ON_HUB.format(name=name), NO_FIELD)
    place = {"name": name, "url": file.url, "folder": home.weights, "file": file_name(name, file)}
    published = Published(file.url, 0, "", "")
    try:
        published = _ask_hub(file) if file.repository else _known(name, file)
        home.weights.mkdir(parents=True, exist_ok=True)
        with try_lock(home.weights / f".{name}.lock") as is_mine:
            if not is_mine:
                raise SettingError(BUSY.format(name=name), NO_FIELD)
            return (yield from _fetch(name, file, published, home))
    except ImportError:
        raise SettingError(NO_CLIENT.format(**place), NO_FIELD) from None
    except (OSError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise _no_space(name, published, home) from None
        raise SettingError(NOT_FETCHED.format(reason=_reason(error), **place), NO_FIELD) from None


def _fetch(name: str, file: PublishedFile, published: Published, home: Home) -> Generator[Progress, None, Path]:
    target = home.weights / file_name(name, file)
    partial = target.with_name(f"{target.name}.part{target.suffix}")
    received = partial.stat().st_size if partial.is_file() else 0
    if shutil.disk_usage(home.weights).free < published.bytes - received:
        raise _no_space(name, published, home)
    try:
        yield from download((published.url,), partial, name)
    except OSError as error:
        if error.errno in FULL_DISK:
            partial.unlink(missing_ok=True)  # other programs need the space now
        raise
    yield Progress(CHECKING, 0, 1)
    try:
        if not file_sha256(partial).startswith(published.sha256):
            raise SettingError(DAMAGED.format(name=name), NO_FIELD)
        other_classes = check_file(name, partial)
    except SettingError:
        partial.unlink()
        raise
    partial.replace(target)
    source = FROM_HUB.format(url=file.url, revision=published.revision or "main") if file.repository else file.url
    record_file(name, target, home, source, other_classes)
    return target


def _known(name: str, file: PublishedFile) -> Published:
    """Return what the table of networks and the name of a file that is not on the hub say."""
    return Published(file.url, PRETRAINED[name].file_bytes, file.sha256_start, "")


def _ask_hub(file: PublishedFile) -> Published:
    """Return what the hub says of `file`. Raises OSError, also for errors of the client's own kinds; ImportError without the client."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        found = get_hf_file_metadata(hf_hub_url(file.repository, file.name))
    except OSError:
        raise
    except Exception as error:  # the client's HTTP library has a tree of errors of its own, and was changed before
        raise ConnectionError(_reason(error)) from None
    tag, revision = found.etag or "", found.commit_hash or ""
    url = hf_hub_url(file.repository, file.name, revision=revision or None)
    return Published(
        url, found.size or 0, tag if len(tag) == SHA256_LENGTH else "", revision
    )  # of a large file, the tag is its SHA-256


def _no_space(name: str, published: Published, home: Home) -> SettingError:
    return SettingError(NO_SPACE.format(name=name, size=format_bytes(published.bytes), folder=home.weights), NO_FIELD)


def _reason(error: BaseException) -> str:
    """Return what an error says, in one line."""
    text = str(getattr(error, "reason", "") or error).strip().partition("\n")[0]
    return text[:REASON_LENGTH].rstrip(" .:") or type(error).__name__
