"""Tables that a spreadsheet may open: CSV in which no text of a person's own is taken for a formula. In: rows. Out: lines of a file."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

# Where a spreadsheet may see a formula begin: at the start of a cell, and behind what other settings of it take for the end of one.
FORMULA = re.compile(r'(^|[;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])')
WriteRow = Callable[[Iterable[Any]], None]


@contextmanager
def csv_table(file: BinaryIO) -> Iterator[WriteRow]:
    """Gives what writes a row to `file`, which stays open. What cannot be written as text becomes a question mark."""
    # With a byte order mark, without which Excel takes "é" for two letters.
    text = io.TextIOWrapper(file, "utf-8-sig", "replace", "")
    writer = csv.writer(text)
    try:
        yield lambda row: writer.writerow([_cell(value) for value in row])
    finally:
        text.flush()
        text.detach()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may open it."""
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
