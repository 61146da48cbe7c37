"""The index of an imported set: what every image is, what was set aside, what a person corrected. One SQLite file beside the images.

    items   one row per image, numbered like the images in the map: file, class, part, size, digests, and whether it is used
    refused files that never became an image, with the reason
    edits   corrections in their order, each with the value before, so that it can be undone
    pairs   duplicates
    known   answers that take long on a large set, kept by the version of the data that they are true of
    facts   everything said once: name, source, classes, how pixels were made, the split

Every method opens its own connection, so an Index may be shared between threads. Importing this module does not import torch.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnn_core.data.archive import SkippedFile
from cnn_core.data.source import PARTS, Part
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
AFTER_IMPORT = """
create index if not exists items_used on items (part, label, row) where problem is null and not is_excluded;
create index if not exists items_of_class on items (label, row) where problem is null;
create index if not exists items_problems on items (row) where problem is not null;
create index if not exists items_corrected on items (row) where is_excluded or label != given;
"""
USED = "problem is null and not is_excluded"
PAIRS = "from pairs join items a on a.row = one join items b on b.row = other where not a.is_excluded and not b.is_excluded"
AT_ONCE = 5_000  # rows asked for by their numbers
ITEM = "row, path, label, part, width, height, is_grey, given, is_excluded"


class Item(NamedTuple):
    """One image: its row in the map, its file, class and part as numbers, the file's own size in pixels, the class it came with."""

    row: int
    path: str
    label: int
    part: int
    width: int
    height: int
    is_grey: bool
    given: int
    is_excluded: bool


class Reading(NamedTuple):
    """What was found in one file: a problem in words, or the picture's size, a digest of its bytes, its look, and whether it is grey."""

    row: int
    problem: str | None
    width: int = 0
    height: int = 0
    digest: bytes = b""
    look: int = 0
    is_grey: bool = False


@dataclass(frozen=True)
class Edit:
    """One correction: `field` of image `row` was changed from `old` to `new` at Unix time `at`."""

    id: int
    at: float
    row: int
    path: str
    field: str
    old: int
    new: int


class Index:
    """The index in the SQLite file at `path`, which must exist: see `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> "Index":
        """A new, empty index. Raises DataError when the file cannot be written."""
        index = cls(path)
        with index._open() as db:
            db.executescript(SCHEMA)
        return index

    # Facts.

    def facts(self) -> dict[str, Any]:
        with self._open() as db:
            return {name: json.loads(value) for name, value in db.execute("select name, value from facts")}

    def note(self, **facts: Any) -> None:
        """Keep `facts`, each replacing an older one of its name. Values are what JSON can hold."""
        with self._open() as db:
            self._note(db, facts)

    @staticmethod
    def _note(db: sqlite3.Connection, facts: dict[str, Any]) -> None:
        db.executemany("insert or replace into facts values (?, ?)", [(name, json.dumps(value)) for name, value in facts.items()])

    # Importing.

    def add(self, items: Iterable[tuple[str, int, Part | None, int, Any]], refused: Iterable[SkippedFile]) -> None:
        """Items (path, label, part, bytes, place in an archive or None), numbered from 0 in this order, and what was set aside."""
        rows = (
            (
                row,
                os.fsencode(path),
                label,
                None if part is None else PARTS.index(part),
                size,
                json.dumps(member) if member else None,
                label,
            )
            for row, (path, label, part, size, member) in enumerate(items)
        )
        with self._open() as db:
            db.executemany(
                "insert into items (row, path, label, part, bytes, member, given) values (?, cast(? as text), ?, ?, ?, ?, ?)",
                rows,
            )
            db.executemany("insert into refused values (?, ?)", ((one.path, one.reason) for one in refused))

    def unread(self, size: int) -> Iterator[list[tuple[int, str, Any]]]:
        """What is still to be read as (row, path, place), in lists of neighbouring rows, at most `size` long."""
        last = -1
        while True:
            with self._open() as db:
                db.text_factory = os.fsdecode
                found = db.execute(
                    "select row, path, member from items where not is_read and row > ? order by row limit ?", (last, size)
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield [(row, path, json.loads(member) if member else None) for row, path, member in found]

    def keep(self, readings: Iterable[Reading]) -> None:
        """What was found in some files, for good: they will not be read again."""
        with self._open() as db:
            db.execute("pragma synchronous = off")  # a set that is being imported can be imported again
            db.executemany(
                "update items set problem = ?2, width = ?3, height = ?4, digest = ?5, look = ?6, is_grey = ?7, is_read = 1 where row = ?1",
                readings,
            )

    def finish(self) -> None:
        """Make ready for looking."""
        with self._open() as db:
            db.executescript(AFTER_IMPORT)

    def same_files(self) -> np.ndarray:
        """Pairs of rows (P, 2) int64 whose files have the same bytes: the first of them, and each of the others."""
        with self._open() as db:
            found = db.execute(
                "select first, row from (select row, min(row) over (partition by digest) as first from items where problem is null)"
                " where first < row"
            ).fetchall()
        return np.array(found, np.int64).reshape(-1, 2)

    def keep_pairs(self, same: np.ndarray, near: np.ndarray) -> None:
        """Duplicates (P, 2), instead of what was kept before: rows of the same file, and of nearly the same picture."""
        with self._open() as db:
            db.execute("delete from pairs")
            for pairs, is_same in ((same, True), (near, False)):
                db.executemany("insert into pairs values (?, ?, ?)", ((one, other, is_same) for one, other in pairs.tolist()))

    # Looking.

    def remembered(self, version: str, question: str, compute: Callable[[], Any]) -> Any:
        """What `compute` answers, as JSON has it; asked again of the same version, what was answered then. Older versions are forgotten."""
        with self._open() as db:
            found = db.execute("select answer from known where version = ? and question = ?", (version, question)).fetchone()
        if found is None:
            found = (json.dumps(compute()),)
            with self._open() as db:
                db.execute("delete from known where version != ?", (version,))
                db.execute("insert or replace into known values (?, ?, ?)", (version, question, found[0]))
        return json.loads(found[0])

    def count(self, where: str = "1", values: tuple[Any, ...] = ()) -> int:
        """Of how many items `where` (with `values` for its question marks) is true."""
        with self._open() as db:
            return db.execute(f"select count(*) from items where {where}", values).fetchone()[0]

    def table(self) -> dict[Part, dict[int, int]]:
        """Used images by part and class number."""
        counts: dict[Part, dict[int, int]] = {part: {} for part in PARTS}
        with self._open() as db:
            for part, label, count in db.execute(f"select part, label, count(*) from items where {USED} group by part, label"):
                counts[PARTS[part]][label] = count
        return counts

    def used(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """Rows and labels of the images of one part, both (N,) int64, in the order of rows."""
        return self.columns(f"{USED} and part = {PARTS.index(part)}", "row", "label")

    def columns(self, where: str, *names: str) -> tuple[np.ndarray, ...]:
        """Whole columns of the items of which `where` is true, in the order of rows, int64."""
        with self._open() as db:
            found = db.execute(f"select {', '.join(names)} from items where {where} order by row")
            parts = [np.array(some, np.int64) for some in iter(lambda: found.fetchmany(50_000), [])]
        table = np.concatenate(parts) if parts else np.empty((0, len(names)), np.int64)
        return tuple(np.ascontiguousarray(table[:, number]) for number in range(len(names)))

    def items(
        self, where: str = "problem is null", *, values: tuple[Any, ...] = (), limit: int = 100, offset: int = 0
    ) -> list[Item]:
        """Items of which `where` (with `values` for its question marks) is true, in the order of rows."""
        with self._open() as db:
            found = db.execute(f"select {ITEM} from items where {where} order by row limit ? offset ?", (*values, limit, offset))
            return [Item(*row) for row in found]

    def paths(self, rows: np.ndarray) -> list[str]:
        """The file of every image at `rows` (N,) int64, in their order, as it is called below the set's folder; "" for no image's row."""
        known: dict[int, str] = {}
        with self._open() as db:
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE].tolist()
                known.update(db.execute(f"select row, path from items where row in ({', '.join('?' * len(some))})", some))
        return [known.get(row, "") for row in rows.tolist()]

    def overview(self) -> dict[str, Any]:
        """Of the used images: how many, how many grey ones, the files' smallest and largest sizes; and how many were corrected."""
        with self._open() as db:
            used, grey, *sizes = db.execute(
                f"select count(*), total(is_grey), min(width), max(width), min(height), max(height) from items where {USED}"
            ).fetchone()
            excluded, relabelled = db.execute(
                "select total(is_excluded), total(label != given) from items where is_excluded or label != given"
            ).fetchone()
        return {
            "used": used,
            "grey": int(grey),
            "sizes": tuple(sizes),
            "excluded": int(excluded),
            "relabelled": int(relabelled),
        }

    def problems(self, limit: int = 1000) -> list[SkippedFile]:
        """Every file that was set aside, with the reason, up to `limit`."""
        with self._open() as db:
            found = db.execute(
                "select path, problem from items where problem is not null union all select path, reason from refused limit ?",
                (limit,),
            )
            return [SkippedFile(*row) for row in found]

    def count_problems(self) -> int:
        with self._open() as db:
            return db.execute(
                "select (select count(*) from items where problem is not null) + (select count(*) from refused)"
            ).fetchone()[0]

    def contents(self, size: int = 50_000) -> Iterator[list[tuple[bytes, int, int]]]:
        """(digest, class, part) of every readable image as it was imported, in the order of rows, in lists of `size`."""
        with self._open() as db:
            found = db.execute("select digest, given, part from items where problem is null order by row")
            yield from iter(lambda: found.fetchmany(size), [])

    def pairs(self, *, limit: int = 100, offset: int = 0) -> list[tuple[Item, Item, bool]]:
        """Duplicates of which both are used, those in different parts first: two items, and whether their files are the same."""
        both = ", ".join(f"{side}.{name.strip()}" for side in ("a", "b") for name in ITEM.split(","))
        with self._open() as db:
            found = db.execute(
                f"select {both}, is_same {PAIRS} order by a.part = b.part, is_same desc, a.row limit ? offset ?", (limit, offset)
            )
            width = len(Item._fields)
            return [(Item(*row[:width]), Item(*row[width:-1]), bool(row[-1])) for row in found]

    def count_pairs(self) -> dict[str, int]:
        """How many duplicates of which both are used: "same" files, "near" ones, those "across" parts, those with different "labels"."""
        with self._open() as db:
            same, near, across, labels = db.execute(
                f"select total(is_same), total(not is_same), total(a.part != b.part), total(a.label != b.label) {PAIRS}"
            ).fetchone()
        return {"same": int(same), "near": int(near), "across": int(across), "labels": int(labels)}

    # Splitting and correcting.

    def assign(self, parts: dict[int, np.ndarray], **facts: Any) -> None:
        """Put rows into parts, all at once: {number of the part: rows}, keeping `facts` with it."""
        with self._open() as db:
            for part, rows in parts.items():
                db.executemany("update items set part = ? where row = ?", ((part, int(row)) for row in rows))
            self._note(db, facts)

    def edit(self, rows: Iterable[int], field: str, new: int | Iterable[int]) -> int:
        """Change `field` ("label" or "is_excluded") of some images, to one value or to one each; gives how many were changed. Recorded,
        and undone by `undo` as one correction."""
        assert field in ("label", "is_excluded")
        with self._open() as db:
            changed, now = 0, time.time()
            for row, value in zip(rows, repeat(new), strict=False) if isinstance(new, int) else zip(rows, new, strict=True):
                old = db.execute(f"select {field} from items where row = ? and problem is null", (row,)).fetchone()
                if old is None:
                    raise DataError(f"There is no image {row} in this data set. Reload the page.")
                if old[0] == value:
                    continue
                db.execute(f"update items set {field} = ? where row = ?", (value, row))
                db.execute(
                    "insert into edits (at, row, field, old, new) values (?, ?, ?, ?, ?)", (now, row, field, old[0], value)
                )
                changed += 1
            return changed

    def undo(self) -> list[Edit]:
        """Take back the last correction that holds, with all images that it changed; gives what was taken back."""
        with self._open() as db:
            last = self._edits(db, 1)
            edits = [edit for edit in self._edits(db, -1) if edit.at == last[0].at] if last else []
            for edit in edits:
                db.execute(f"update items set {edit.field} = ? where row = ?", (edit.old, edit.row))
                db.execute("update edits set is_undone = 1 where id = ?", (edit.id,))
            return edits

    def edits(self, limit: int = 200) -> list[Edit]:
        """The corrections that hold, newest first."""
        with self._open() as db:
            return self._edits(db, limit)

    def corrected(self) -> list[tuple[int, int, int]]:
        """(row, label, is_excluded) of every image that is not as it was imported, in the order of rows."""
        with self._open() as db:
            return db.execute(
                "select row, label, is_excluded from items where is_excluded or label != given order by row"
            ).fetchall()

    @staticmethod
    def _edits(db: sqlite3.Connection, limit: int) -> list[Edit]:
        found = db.execute(
            "select id, at, row, path, field, old, new from edits join items using (row) where not is_undone order by id desc limit ?",
            (limit,),
        )
        return [Edit(*row) for row in found]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction on a connection of its own. Raises DataError when the file cannot be used."""
        with transaction(
            self.path,
            lambda error: DataError(f"The index {self.path} cannot be used ({error}). Check free space and permissions."),
        ) as db:
            db.text_factory = _show
            yield db


def _show(text: bytes) -> str:
    """Stored text for people: a file's name may hold bytes that are no text, and these become question marks."""
    return os.fsdecode(text).encode("utf-8", "replace").decode()
