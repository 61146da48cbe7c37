"""Corrections of an index: images excluded or relabelled, recorded one by one and undone together."""

import sqlite3
import time
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

from cnn_core.data.index.schema import Correction, open_index
from cnn_core.errors import DataError

FIELDS = ("label", "is_excluded")


class Corrections:
    """The corrections in the index file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def apply(self, rows: Iterable[int], field: str, new: int | Iterable[int]) -> int:
        """Set `field` ("label" or "is_excluded") of some images to one value or to one each; return how many were changed.

        The changes are recorded, and `undo` reverts them together. Raises DataError for a row without a readable image.
        """
        assert field in FIELDS
        with open_index(self._path) as db:
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

    def undo(self) -> list[Correction]:
        """Undo the last correction, for all images that it changed; return what was undone."""
        with open_index(self._path) as db:
            last = _select_latest(db, 1)
            undone = [correction for correction in _select_latest(db, -1) if correction.at == last[0].at] if last else []
            for correction in undone:
                db.execute(f"update items set {correction.field} = ? where row = ?", (correction.old, correction.row))
                db.execute("update edits set is_undone = 1 where id = ?", (correction.id,))
            return undone

    def latest(self, limit: int = 200) -> list[Correction]:
        """Return the corrections that are not undone, newest first; -1 for all of them."""
        with open_index(self._path) as db:
            return _select_latest(db, limit)

    def corrected_images(self) -> list[tuple[int, int, int]]:
        """Return (row, label, is_excluded) of every excluded or relabelled image, in the order of rows."""
        with open_index(self._path) as db:
            return db.execute(
                "select row, label, is_excluded from items where is_excluded or label != given order by row"
            ).fetchall()


def _select_latest(db: sqlite3.Connection, limit: int) -> list[Correction]:
    rows = db.execute(
        "select id, at, row, path, field, old, new from edits join items using (row) where not is_undone order by id desc limit ?",
        (limit,),
    )
    return [Correction(*row) for row in rows]
