"""CSV tables in which text is never read as a formula by a spreadsheet. In: rows. Out: lines of a file."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

# A formula may begin at the start of a cell, and after characters that separate cells in some spreadsheets.
FORMULA = re.compile(r'(^|[;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])')
WriteRow = Callable[[Iterable[Any]], None]


@contextmanager
def csv_table(file: BinaryIO) -> Iterator[WriteRow]:
    """Return a function that writes a row to `file`, which stays open. Unencodable characters become question marks."""
    # With a byte order mark, without which Excel shows "é" as two characters.
    text = io.TextIOWrapper(file, "utf-8-sig", "replace", "")
    writer = csv.writer(text)
    try:
        yield lambda row: writer.writerow([_cell(value) for value in row])
    finally:
        text.flush()
        text.detach()


def _cell(value: Any) -> Any:
    """Return a value with an apostrophe before everything that could be a formula."""
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
