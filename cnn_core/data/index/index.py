"""The reading side of an index: facts of the data set, its images, splits and counts.

Every method opens its own connection, so threads may share an Index. Importing this module does not import torch.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.archive import SkippedFile
from cnn_core.data.index.corrections import Corrections
from cnn_core.data.index.duplicates import DuplicatePairs
from cnn_core.data.index.imports import ImportTables
from cnn_core.data.index.schema import RECORD_COLUMNS, SCHEMA, USED, ImageRecord, open_index
from cnn_core.data.source import SPLITS, Split
from cnn_core.errors import DataError

PATHS_PER_QUERY = 5_000


class Index:
    """The index in the SQLite file at `path`, which must exist: see `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.imports = ImportTables(path)
        self.corrections = Corrections(path)
        self.duplicates = DuplicatePairs(path)

    @classmethod
    def create(cls, path: Path) -> "Index":
        """Create an empty index. Raises DataError when the file cannot be written."""
        with open_index(path) as db:
            db.executescript(SCHEMA)
        return cls(path)

    def facts(self) -> dict[str, Any]:
        """Return the stored facts by name."""
        with open_index(self.path) as db:
            return {name: json.loads(value) for name, value in db.execute("select name, value from facts")}

    def set_facts(self, **facts: Any) -> None:
        """Store `facts`, each replacing an older one of its name. Values must be serialisable as JSON."""
        with open_index(self.path) as db:
            _set_facts(db, facts)

    def cached(self, version: str, key: str, compute: Callable[[], Any]) -> Any:
        """Return the result of `compute` as JSON, cached under `key` for this version of the data; results for other versions are deleted.

        Without write access nothing is cached.
        """
        with open_index(self.path) as db:
            stored = db.execute("select answer from known where version = ? and question = ?", (version, key)).fetchone()
        if stored is None:
            stored = (json.dumps(compute()),)
            with contextlib.suppress(DataError), open_index(self.path) as db:
                db.execute("delete from known where version != ?", (version,))
                db.execute("insert or replace into known values (?, ?, ?)", (version, key, stored[0]))
        return json.loads(stored[0])

    # Images.

    def count(self, where: str = "1", values: tuple[Any, ...] = ()) -> int:
        """Count the images for which the SQL condition `where` (with `values` for its question marks) is true."""
        with open_index(self.path) as db:
            return int(db.execute(f"select count(*) from items where {where}", values).fetchone()[0])

    def counts_by_split(self) -> dict[Split, dict[int, int]]:
        """Count the used images by split and class number."""
        counts: dict[Split, dict[int, int]] = {split: {} for split in SPLITS}
        with open_index(self.path) as db:
            for split, label, count in db.execute(f"select part, label, count(*) from items where {USED} group by part, label"):
                counts[SPLITS[split]][label] = count
        return counts

    def used_rows(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and labels of the used images of one split, both (N,) int64, in the order of rows."""
        rows, labels = self.columns(f"{USED} and part = {SPLITS.index(split)}", "row", "label")
        return rows, labels

    def columns(self, where: str, *names: str) -> tuple[np.ndarray, ...]:
        """Return whole columns of the images for which `where` is true, in the order of rows, int64."""
        with open_index(self.path) as db:
            rows = db.execute(f"select {', '.join(names)} from items where {where} order by row")
            chunks = [np.array(chunk, np.int64) for chunk in iter(lambda: rows.fetchmany(50_000), [])]
        table = np.concatenate(chunks) if chunks else np.empty((0, len(names)), np.int64)
        return tuple(np.ascontiguousarray(table[:, number]) for number in range(len(names)))

    def records(
        self,
        where: str = "problem is null",
        *,
        values: tuple[Any, ...] = (),
        limit: int = 100,
        offset: int = 0,
        order: str = "row",
    ) -> list[ImageRecord]:
        """Return the images for which `where` (with `values` for its question marks) is true, in the order of the SQL columns `order`."""
        query = f"select {', '.join(RECORD_COLUMNS)} from items where {where} order by {order} limit ? offset ?"
        with open_index(self.path) as db:
            return [ImageRecord(*row) for row in db.execute(query, (*values, limit, offset))]

    def paths(self, rows: np.ndarray) -> list[str]:
        """Return the file of every image at `rows` (N,) int64, in the order of `rows`, relative to the source; "" for an unknown row."""
        paths: dict[int, str] = {}
        with open_index(self.path) as db:
            for start in range(0, len(rows), PATHS_PER_QUERY):
                chunk = rows[start : start + PATHS_PER_QUERY].tolist()
                marks = ", ".join("?" * len(chunk))
                paths.update(db.execute(f"select row, path from items where row in ({marks})", chunk))
        return [paths.get(row, "") for row in rows.tolist()]

    def summary(self) -> dict[str, Any]:
        """Count used and grey images, and corrected ones; with the smallest and largest width and height of the files, pixels."""
        with open_index(self.path) as db:
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

    def skipped_files(self, limit: int = 1000) -> list[SkippedFile]:
        """Return the skipped files with the reason, at most `limit`."""
        with open_index(self.path) as db:
            rows = db.execute(
                "select path, problem from items where problem is not null union all select path, reason from refused limit ?",
                (limit,),
            )
            return [SkippedFile(*row) for row in rows]

    def count_skipped_files(self) -> int:
        """Count the skipped files."""
        query = "select (select count(*) from items where problem is not null) + (select count(*) from refused)"
        with open_index(self.path) as db:
            return int(db.execute(query).fetchone()[0])

    def count_conversions(self) -> tuple[int, dict[str, int]]:
        """Count the images that were converted when they were imported, in all and by kind; none where an earlier version imported them."""
        with open_index(self.path) as db:
            if not db.execute("select 1 from sqlite_master where name = 'conversions'").fetchone():
                return 0, {}
            (images,) = db.execute("select count(distinct row) from conversions").fetchone()
            return images, dict(db.execute("select kind, count(*) from conversions group by kind order by kind"))

    def kept_places(self) -> dict[int, tuple[int, int]]:
        """Return start and length in bytes of every encoded image by row; none where the data set keeps none."""
        with open_index(self.path) as db:
            if not db.execute("select 1 from sqlite_master where name = 'kept'").fetchone():
                return {}
            return {row: (start, length) for row, start, length in db.execute("select row, start, length from kept")}

    def imported_images(self, size: int = 50_000) -> Iterator[list[tuple[bytes, int, int]]]:
        """Yield (digest, class, split) of every readable image as it was imported, in the order of rows, in lists of `size`."""
        with open_index(self.path) as db:
            rows = db.execute("select digest, given, part from items where problem is null order by row")
            yield from iter(lambda: rows.fetchmany(size), [])

    def digests(self) -> dict[int, bytes | None]:
        """Return the digest of every image's file by row; None or empty for a file that could not be read."""
        with open_index(self.path) as db:
            return dict(db.execute("select row, digest from items"))

    def assign_splits(self, splits: dict[int, np.ndarray], **facts: Any) -> None:
        """Assign rows to splits in one transaction, {number of the split: rows}, and store `facts` with it."""
        with open_index(self.path) as db:
            for split, rows in splits.items():
                db.executemany("update items set part = ? where row = ?", ((split, int(row)) for row in rows))
            _set_facts(db, facts)


def _set_facts(db: sqlite3.Connection, facts: dict[str, Any]) -> None:
    db.executemany("insert or replace into facts values (?, ?)", [(name, json.dumps(value)) for name, value in facts.items()])
