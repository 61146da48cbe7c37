"""The chart of the Compare view: the change of the accuracy of each class with its interval."""

import html
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.class_axis import class_axis, escape_names
from pages.charts.theme import THEME_COLOURS

if TYPE_CHECKING:
    from cnn_core.metrics.model_comparison import ClassChanges

MOST = 30  # classes in the chart
ROW = 24
# The theme's colours are distinguishable with colour blindness; symbols differ too.
NOT_SIGNIFICANT, SIGNIFICANT = (THEME_COLOURS[8], "circle-open"), (THEME_COLOURS[0], "diamond")


def largest_changes(changes: "ClassChanges") -> np.ndarray:
    """Return the classes in the chart, (n,) int64: the largest changes, from decrease to increase."""
    present = np.flatnonzero(changes.count)
    largest = present[np.argsort(-np.abs(changes.difference[present]), kind="stable")[:MOST]]
    return np.asarray(largest[np.argsort(changes.difference[largest], kind="stable")])


def changes_chart(changes: "ClassChanges", classes: tuple[str, ...]) -> go.Figure:
    """Draw a point with its interval for each class, in percentage points of accuracy, B minus A."""
    order = largest_changes(changes)
    figure, names = go.Figure(), [classes[label] for label in order]
    for is_significant, name, (colour, symbol) in (
        (True, "significant", SIGNIFICANT),
        (False, "not significant", NOT_SIGNIFICANT),
    ):
        labels = order[changes.is_significant[order] == is_significant]
        if len(labels):
            figure.add_scatter(**_points(changes, classes, labels), name=name, marker=_marker(colour, symbol))
    figure.add_vline(x=0, line={"color": NOT_SIGNIFICANT[0], "dash": "dot"})
    figure.update_layout(
        height=110 + ROW * len(order),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )
    figure.update_xaxes(title="change of accuracy from A to B (percentage points)", ticksuffix="")
    figure.update_yaxes(categoryorder="array", categoryarray=escape_names(names), **class_axis(names))
    return figure


def _points(changes: "ClassChanges", classes: tuple[str, ...], labels: np.ndarray) -> dict[str, object]:
    x, low, high = (100 * column[labels] for column in (changes.difference, changes.low, changes.high))
    texts = [
        f"{html.escape(classes[label])}: {100 * changes.difference[label]:+.1f} points (95% interval: {100 * changes.low[label]:+.1f} to "
        f"{100 * changes.high[label]:+.1f})<br>{changes.gained[label]:,} correct only with B, {changes.lost[label]:,} only with A, "
        f"of {changes.count[label]:,}; p = {changes.p[label]:.2g}"
        for label in labels
    ]
    return {
        "x": x,
        "y": [html.escape(classes[label]) for label in labels],
        "error_x": {"type": "data", "symmetric": False, "array": np.maximum(high - x, 0), "arrayminus": np.maximum(x - low, 0)},
        "mode": "markers",
        "customdata": texts,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _marker(colour: str, symbol: str) -> dict[str, object]:
    return {"color": colour, "symbol": symbol, "size": 10}
