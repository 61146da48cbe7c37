"""The tables of an index file, the conditions that queries share, and the values that are read from it.

    items   one row per image, numbered like the images in the memory-mapped file: file, class, split, size, digests, whether it is used
    refused files that were skipped before decoding, with the reason
    edits   corrections in their order, each with the value before, so that it can be undone
    pairs   duplicates
    known   cached results that take long to compute, stored with the version of the data to which they belong
    conversions  how images were converted, by kind; data sets imported by earlier versions have no such table
    kept    where each encoded image stands in the file of a data set of photographs; other data sets have no such table
    facts   values stored once: name, source, classes, how images were decoded, the split

Columns keep the names of earlier versions: `part` is the split, `given` the class at import, `look` the difference hash,
`question` and `answer` key and value of a cached result, `refused` a skipped file.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cnn_core.errors import DataError
from cnn_core.files import transaction

SCHEMA = """
create table facts (name text primary key, value text not null);
create table items (
    row integer primary key, path text not null, label integer not null, part integer, bytes integer not null, member text,
    problem text, width integer, height integer, digest blob, look integer, is_grey integer,
    given integer not null, is_excluded integer not null default 0, is_read integer not null default 0
);
create table refused (path text not null, reason text not null);
create table pairs (one integer not null, other integer not null, is_same integer not null);
create table known (version text not null, question text not null, answer text not null, primary key (version, question));
create table edits (
    id integer primary key, at real not null, row integer not null, field text not null, old integer not null, new integer not null,
    is_undone integer not null default 0
);
"""
CONVERSIONS = (
    "create table if not exists conversions (row integer not null, kind text not null, primary key (row, kind)) without rowid"
)
KEPT_PLACES = "create table if not exists kept (row integer primary key, start integer not null, length integer not null)"
LOOKUP_INDEXES = """
create index if not exists items_used on items (part, label, row) where problem is null and not is_excluded;
create index if not exists items_of_class on items (label, row) where problem is null;
create index if not exists items_problems on items (row) where problem is not null;
create index if not exists items_corrected on items (row) where is_excluded or label != given;
"""
CHECK_DISK = "Check free space and permissions."
USED = "problem is null and not is_excluded"
RECORD_COLUMNS = ("row", "path", "label", "part", "width", "height", "is_grey", "given", "is_excluded")


class ImageRecord(NamedTuple):
    """One image: its row in the memory-mapped file, its file, class and split as numbers, the file's size in pixels, the class at import."""

    row: int
    path: str
    label: int
    split: int
    width: int
    height: int
    is_grey: bool
    imported_label: int
    is_excluded: bool


class DecodingResult(NamedTuple):
    """The result of decoding one file: a problem as text, or the image's size, a digest of its bytes, its difference hash, whether it is grey,
    the kinds of its conversions (see `conversions`), and the encoded image (see `kept_images`), empty where it is not kept."""

    row: int
    problem: str | None
    width: int = 0
    height: int = 0
    digest: bytes = b""
    image_hash: int = 0
    is_grey: bool = False
    conversions: tuple[str, ...] = ()
    encoded: bytes = b""


@dataclass(frozen=True)
class Correction:
    """One correction: `field` of image `row` was changed from `old` to `new` at Unix time `at`."""

    id: int
    at: float
    row: int
    path: str
    field: str
    old: int
    new: int


@contextmanager
def open_index(path: Path) -> Iterator[sqlite3.Connection]:
    """Run the block as one transaction on a connection of its own. Raises DataError when the file cannot be used."""
    with transaction(path, lambda error: DataError(f"The index {path} cannot be used ({error}). {CHECK_DISK}")) as db:
        db.text_factory = _decode_text
        yield db


def _decode_text(text: bytes) -> str:
    """Return stored text for display: bytes of a file name that are not text become question marks."""
    return os.fsdecode(text).encode("utf-8", "replace").decode()
