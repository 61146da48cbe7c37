"""The chart of the Compare view, as a pure function: how much the accuracy of every class changed, with how sure that is."""

import html
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.theme import THEME_COLOURS

if TYPE_CHECKING:
    from cnn_core.metrics.model_comparison import ClassChanges

MOST = 30  # classes in the chart
ROW = 24
# Colours are the theme's, which colour-blind readers tell apart; the symbols differ too.
UNSURE, EVIDENT = (THEME_COLOURS[8], "circle-open"), (THEME_COLOURS[0], "diamond")


def largest_changes(changes: "ClassChanges") -> np.ndarray:
    """The classes in the chart, (n,) int64: those that changed most, from what lost most to what gained most."""
    there = np.flatnonzero(changes.count)
    kept = there[np.argsort(-np.abs(changes.difference[there]), kind="stable")[:MOST]]
    return kept[np.argsort(changes.difference[kept], kind="stable")]


def changes_chart(changes: "ClassChanges", classes: tuple[str, ...]) -> go.Figure:
    """A point with its interval for each class, in percentage points of accuracy, B minus A."""
    order = largest_changes(changes)
    figure = go.Figure()
    for is_evident, name, (colour, symbol) in ((True, "evidence", EVIDENT), (False, "no evidence", UNSURE)):
        some = order[changes.is_evident[order] == is_evident]
        if len(some):
            figure.add_scatter(**_points(changes, classes, some), name=name, marker=_marker(colour, symbol))
    figure.add_vline(x=0, line={"color": UNSURE[0], "dash": "dot"})
    figure.update_layout(
        height=110 + ROW * len(order),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )
    figure.update_xaxes(title="change of accuracy from A to B (percentage points)", ticksuffix="")
    figure.update_yaxes(
        type="category", automargin=True, categoryorder="array", categoryarray=[html.escape(classes[label]) for label in order]
    )
    return figure


def _points(changes: "ClassChanges", classes: tuple[str, ...], some: np.ndarray) -> dict[str, object]:
    x, low, high = (100 * column[some] for column in (changes.difference, changes.low, changes.high))
    told = [
        f"{html.escape(classes[label])}: {100 * changes.difference[label]:+.1f} points (95 %: {100 * changes.low[label]:+.1f} to "
        f"{100 * changes.high[label]:+.1f})<br>{changes.gained[label]:,} right with B only, {changes.lost[label]:,} with A only, "
        f"of {changes.count[label]:,}; p = {changes.p[label]:.2g}"
        for label in some
    ]
    return {
        "x": x,
        "y": [html.escape(classes[label]) for label in some],
        "error_x": {"type": "data", "symmetric": False, "array": np.maximum(high - x, 0), "arrayminus": np.maximum(x - low, 0)},
        "mode": "markers",
        "customdata": told,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _marker(colour: str, symbol: str) -> dict[str, object]:
    return {"color": colour, "symbol": symbol, "size": 10}
