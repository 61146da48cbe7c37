"""The writing side of an index, used while a data set is imported."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cnn_core.data.archive import SkippedFile
from cnn_core.data.index.schema import CONVERSIONS, KEPT_PLACES, LOOKUP_INDEXES, DecodingResult, open_index
from cnn_core.data.source import SPLITS, Split


class ImportTables:
    """Files, decoding results and lookup indexes of the index file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add_files(self, files: Iterable[tuple[str, int, Split | None, int, Any]], skipped: Iterable[SkippedFile]) -> None:
        """Add files (path, label, split, bytes, member of an archive or None), numbered from 0 in this order, and the skipped ones."""
        rows = (
            (
                row,
                os.fsencode(path),
                label,
                None if split is None else SPLITS.index(split),
                size,
                json.dumps(member) if member else None,
                label,
            )
            for row, (path, label, split, size, member) in enumerate(files)
        )
        with open_index(self._path) as db:
            db.executemany(
                "insert into items (row, path, label, part, bytes, member, given) values (?, cast(? as text), ?, ?, ?, ?, ?)",
                rows,
            )
            db.executemany("insert into refused values (?, ?)", ((file.path, file.reason) for file in skipped))

    def pending_files(self, size: int) -> Iterator[list[tuple[int, str, Any]]]:
        """Yield the files that are not decoded yet as (row, path, member of an archive), in lists of neighbouring rows, at most `size` long."""
        last = -1
        while True:
            with open_index(self._path) as db:
                db.text_factory = os.fsdecode
                files = db.execute(
                    "select row, path, member from items where not is_read and row > ? order by row limit ?", (last, size)
                ).fetchall()
            if not files:
                return
            last = files[-1][0]
            yield [(row, path, json.loads(member) if member else None) for row, path, member in files]

    def save_results(self, results: Iterable[DecodingResult], kept: Iterable[tuple[int, int, int]] = ()) -> None:
        """Save the results of some files, so that these are not decoded again. kept: row, start and length of their encoded images."""
        results = list(results)
        with open_index(self._path) as db:
            db.execute("pragma synchronous = off")  # a data set that is being imported can be imported again
            db.execute(CONVERSIONS)
            converted = ((result.row, kind) for result in results for kind in result.conversions)
            db.executemany("insert or replace into conversions values (?, ?)", converted)
            if kept := list(kept):
                db.execute(KEPT_PLACES)
                db.executemany("insert or replace into kept values (?, ?, ?)", kept)
            db.executemany(
                "update items set problem = ?2, width = ?3, height = ?4, digest = ?5, look = ?6, is_grey = ?7, is_read = 1 where row = ?1",
                (result[:7] for result in results),
            )

    def create_lookup_indexes(self) -> None:
        """Create the SQL indexes for reading; called after all results are saved."""
        with open_index(self._path) as db:
            db.executescript(LOOKUP_INDEXES)
