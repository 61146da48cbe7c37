"""Pairs of duplicates in an index: found by `data.duplicates`, counted and listed for pages."""

from pathlib import Path

import numpy as np

from cnn_core.data.index.schema import RECORD_COLUMNS, ImageRecord, open_index

USED_PAIRS = "from pairs join items a on a.row = one join items b on b.row = other where not a.is_excluded and not b.is_excluded"


class DuplicatePairs:
    """The duplicates in the index file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find_identical(self) -> np.ndarray:
        """Return pairs of rows (P, 2) int64 whose files have the same bytes: the first of them, and each of the others."""
        with open_index(self._path) as db:
            pairs = db.execute(
                "select first, row from (select row, min(row) over (partition by digest) as first from items where problem is null)"
                " where first < row"
            ).fetchall()
        return np.array(pairs, np.int64).reshape(-1, 2)

    def save(self, same: np.ndarray, near: np.ndarray) -> None:
        """Replace the stored pairs: rows (P, 2) of identical files, and of nearly identical images."""
        with open_index(self._path) as db:
            db.execute("delete from pairs")
            for pairs, is_same in ((same, True), (near, False)):
                db.executemany("insert into pairs values (?, ?, ?)", ((one, other, is_same) for one, other in pairs.tolist()))

    def pairs(self, *, limit: int = 100, offset: int = 0) -> list[tuple[ImageRecord, ImageRecord, bool]]:
        """Return duplicates of which both are used, those in different splits first: two images, and whether their files are identical."""
        columns = ", ".join(f"{side}.{name}" for side in ("a", "b") for name in RECORD_COLUMNS)
        with open_index(self._path) as db:
            rows = db.execute(
                f"select {columns}, is_same {USED_PAIRS} order by a.part = b.part, is_same desc, a.row limit ? offset ?",
                (limit, offset),
            )
            width = len(RECORD_COLUMNS)
            return [(ImageRecord(*row[:width]), ImageRecord(*row[width:-1]), bool(row[-1])) for row in rows]

    def counts(self) -> dict[str, int]:
        """Count duplicates of which both are used: "same" files, "near" ones, those "across" splits, those with different "labels"."""
        with open_index(self._path) as db:
            same, near, across, labels = db.execute(
                f"select total(is_same), total(not is_same), total(a.part != b.part), total(a.label != b.label) {USED_PAIRS}"
            ).fetchone()
        return {"same": int(same), "near": int(near), "across": int(across), "labels": int(labels)}
