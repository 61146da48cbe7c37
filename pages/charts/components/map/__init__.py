"""A scatter plot of images, with a thumbnail at the pointer. A click or a lasso around points sends their rows to the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.charts.components.asset import declare
from pages.charts.image_sheets import Sheet, offer

_map = declare("map")


@dataclass(frozen=True, eq=False)
class Points:
    """n images, one a row, in the order of the thumbnails on their `sheet`.

    `places`: (n, 2), finite. `numbers`: (n,) int64, the numbers of the images that are shown. `labels` and `predicted`: (n,) int64, of `classes`. `probabilities`:
    (n,), of the predicted class. `axes`: titles. `is_equal`: whether both axes have the same scale. `name`: changes with the places.
    """

    name: str
    places: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    classes: Sequence[str]
    sheet: Sheet
    axes: tuple[str, str]
    is_equal: bool


@dataclass(frozen=True, eq=False)
class Colouring:
    """`groups`: name and colour number of each; -1 is no colour of its own. `group`: (n,) int64, that of each point. `by`: what groups are."""

    by: str
    groups: Sequence[tuple[str, int]]
    group: np.ndarray


@dataclass(frozen=True)
class PointSelection:
    """The row that is `pinned`, the rows that are `chosen`, the `note` below the map, and the key of the `container` to scroll to.

    Without a container the page scrolls to the map. `turn`: another number whenever it should scroll.
    """

    pinned: int | None = None
    chosen: Sequence[int] = ()
    note: str = ""
    container: str = ""
    turn: int = 0


def show_points(
    key: str,
    split: str,
    points: Points,
    colouring: Colouring,
    selection: PointSelection,
    on_pin: Callable[[int], None],
    on_choose: Callable[[list[int]], None],
) -> None:
    """Draw the map of images of `split` ("Test"). `on_pin` and `on_choose` are called with rows before the page or fragment runs again."""
    count = len(points.numbers)

    def take_pin() -> None:
        row = st.session_state[key].pinned
        if isinstance(row, int) and 0 <= row < count:
            on_pin(row)

    def take_choice() -> None:
        on_choose(sorted({row for row in st.session_state[key].chosen or () if isinstance(row, int) and 0 <= row < count}))

    data = _describe(points) | {
        "split": split,
        "by": colouring.by,
        "groups": [list(group) for group in colouring.groups],
        "group": colouring.group.tolist(),
        "pinned": selection.pinned,
        "chosen": list(selection.chosen),
        "note": selection.note,
        "container": selection.container,
        "turn": selection.turn,
    }
    _map(key=key, data=data, on_pinned_change=take_pin, on_chosen_change=take_choice)


def _describe(points: Points) -> dict[str, object]:
    """Return the points for JSON, with places from -1 to 1, rounded to four digits."""
    places = points.places.astype(np.float64)
    x, y = np.round(places / max(np.abs(places).max(), 1e-12), 4).T
    present = np.unique(np.concatenate((points.labels, points.predicted)))
    return {
        "id": points.name,
        "x": x.tolist(),
        "y": y.tolist(),
        "number": points.numbers.tolist(),
        "classes": [points.classes[label] for label in present],
        "labels": np.searchsorted(present, points.labels).tolist(),
        "predicted": np.searchsorted(present, points.predicted).tolist(),
        "probability": np.round(points.probabilities, 4).tolist(),
        "axes": list(points.axes),
        "isEqual": points.is_equal,
        "sheet": offer(points.sheet),
        "side": points.sheet.side,
        "columns": points.sheet.columns,
    }
