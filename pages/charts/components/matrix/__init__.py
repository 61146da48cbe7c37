"""A confusion matrix whose cells are buttons: a press shows the images of a cell and does not redraw the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from cnn_core.class_labels import class_labels
from pages.charts.components.asset import declare

_matrix = declare("matrix")
LABEL_WIDTH = 14  # letters of a class name on a narrow screen; the whole name is in the tooltip


@dataclass(frozen=True, eq=False)
class MatrixTable:
    """`counts` (k, k): rows are true, columns predicted classes, in the order of `classes`. `is_single`: of each row whether it is one class, so
    that all images on its diagonal are correct.

    `measure`: "counts" or "fractions" (of the row), what the cells show.
    """

    classes: Sequence[str]
    counts: np.ndarray
    is_single: Sequence[bool]
    measure: str


@dataclass(frozen=True)
class CellSelection:
    """The `chosen` cell (row, column), if it is in the table, its `description`, and the key of the `container` with its images.

    Without a container the page scrolls back to the matrix. `turn`: another number whenever the choice has changed.
    """

    turn: int = 0
    chosen: tuple[int, int] | None = None
    description: str = ""
    container: str = ""


def show_matrix_table(key: str, table: MatrixTable, selection: CellSelection, on_press: Callable[[int, int], None]) -> None:
    """Draw the table. `on_press` is called with row and column of a pressed cell before the page or fragment runs again."""
    data = {
        "classes": list(table.classes),
        "labels": class_labels(table.classes, LABEL_WIDTH),
        "counts": table.counts.tolist(),
        "isSingle": list(table.is_single),
        "measure": table.measure,
        "chosen": selection.chosen,
        "description": selection.description,
        "turn": selection.turn,
        "container": selection.container,
    }
    _matrix(key=key, data=data, on_cell_change=lambda: on_press(*map(int, st.session_state[key].cell)))
