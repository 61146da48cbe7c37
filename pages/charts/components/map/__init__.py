"""Images as points in the plane, with a thumbnail at the pointer; a press or a loop around points tells the page which they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.charts.components.asset import declare
from pages.charts.image_sheets import Sheet, offer

_map = declare("map")


@dataclass(frozen=True, eq=False)
class Points:
    """n images, with a row each, in the order of the thumbnails on their `sheet`.

    `places` (n, 2) finite; `numbers` (n,) int64, by which people are told of them; `truth` and `predicted` (n,) int64: classes, of `names`;
    `share` (n,): the probability of the predicted one. `axes`: titles. `is_equal`: whether both axes have one scale. `name`: another one for other places.
    """

    name: str
    places: np.ndarray
    numbers: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    share: np.ndarray
    names: Sequence[str]
    sheet: Sheet
    axes: tuple[str, str]
    is_equal: bool


@dataclass(frozen=True, eq=False)
class Colouring:
    """`groups`: name and colour number of each, -1 for what has none of its own. `group` (n,) int64: that of every point. `by`: what they are."""

    by: str
    groups: Sequence[tuple[str, int]]
    group: np.ndarray


@dataclass(frozen=True)
class Marked:
    """Rows that are `pinned` and `chosen`, what is `said` below the map, and the `place` (a container's key) that is brought into view.

    Without a place that is the map itself. `turn`: another number whenever something is to be brought into view.
    """

    pinned: int | None = None
    chosen: Sequence[int] = ()
    said: str = ""
    place: str = ""
    turn: int = 0


def show_points(
    key: str,
    part: str,
    points: Points,
    colouring: Colouring,
    marked: Marked,
    on_pin: Callable[[int], None],
    on_choose: Callable[[list[int]], None],
) -> None:
    """Draw the map of images of `part` ("Test"). `on_pin` and `on_choose` are called with rows before the page or fragment runs again."""
    count = len(points.numbers)

    def take_pin() -> None:
        row = st.session_state[key].pinned
        if isinstance(row, int) and 0 <= row < count:
            on_pin(row)

    def take_choice() -> None:
        on_choose(sorted({row for row in st.session_state[key].chosen or () if isinstance(row, int) and 0 <= row < count}))

    data = _in_numbers(points) | {
        "split": part,
        "by": colouring.by,
        "groups": [list(group) for group in colouring.groups],
        "group": colouring.group.tolist(),
        "pinned": marked.pinned,
        "chosen": list(marked.chosen),
        "note": marked.said,
        "place": marked.place,
        "turn": marked.turn,
    }
    _map(key=key, data=data, on_pinned_change=take_pin, on_chosen_change=take_choice)


def _in_numbers(points: Points) -> dict[str, object]:
    """The points as JSON takes them, with places within -1 to 1 and no more digits than the eye can tell apart."""
    places = points.places.astype(np.float64)
    x, y = np.round(places / max(np.abs(places).max(), 1e-12), 4).T
    present = np.unique(np.concatenate((points.truth, points.predicted)))
    return {
        "id": points.name,
        "x": x.tolist(),
        "y": y.tolist(),
        "number": points.numbers.tolist(),
        "classes": [points.names[label] for label in present],
        "labels": np.searchsorted(present, points.truth).tolist(),
        "predicted": np.searchsorted(present, points.predicted).tolist(),
        "probability": np.round(points.share, 4).tolist(),
        "axes": list(points.axes),
        "isEqual": points.is_equal,
        "sheet": offer(points.sheet),
        "side": points.sheet.side,
        "columns": points.sheet.columns,
    }
