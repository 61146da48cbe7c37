"""A confusion matrix whose cells are buttons: a press shows a cell's images, and the table itself stays as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.charts.components.asset import declare

_matrix = declare("matrix")


@dataclass(frozen=True, eq=False)
class Table:
    """`counts` (k, k): row = true, column = predicted, in the order of `names`. `rightly`: whether all images of a row's cell on the diagonal are right, as where it is one class.

    `measure`: "counts" or "shares" (of the row), what is written into the cells.
    """

    names: Sequence[str]
    counts: np.ndarray
    rightly: Sequence[bool]
    measure: str


@dataclass(frozen=True)
class Shown:
    """The `chosen` cell (row, column), if it is in the table, what is `said` of it, and the `place` (a container's key) of its images.

    Without a place the matrix itself is brought back into view. `turn`: another number whenever something else was chosen.
    """

    turn: int = 0
    chosen: tuple[int, int] | None = None
    said: str = ""
    place: str = ""


def show_table(key: str, table: Table, shown: Shown, on_press: Callable[[int, int], None]) -> None:
    """Draw the table; `on_press` is called with the row and column of a pressed cell before the page or fragment runs again."""
    data = {
        "classes": list(table.names),
        "counts": table.counts.tolist(),
        "isSingle": list(table.rightly),
        "measure": table.measure,
        "chosen": shown.chosen,
        "description": shown.said,
        "turn": shown.turn,
        "place": shown.place,
    }
    _matrix(key=key, data=data, on_cell_change=lambda: on_press(*map(int, st.session_state[key].cell)))
