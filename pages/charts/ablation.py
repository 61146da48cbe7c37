"""Charts of channel ablation: the change of each class, and the prediction for one image before and after."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pages.charts.class_axis import class_axis, escape_names
from pages.charts.theme import PERCENT, THEME_COLOURS

SHOWN_CLASSES, RANKED = 20, 5


def change_bars(changes: np.ndarray, classes: Sequence[str]) -> go.Figure:
    """Draw the SHOWN_CLASSES largest changes of accuracy, decreases first. changes (classes,): fractions, NaN if unknown."""
    shown = order_by_change(changes)
    shown = shown[np.sort(np.argsort(-np.abs(changes[shown]), kind="stable")[:SHOWN_CLASSES])]
    points, names = changes[shown] * 100, [classes[label] for label in shown]
    bar = go.Bar(
        x=points,
        y=escape_names(names),
        customdata=escape_names(names),
        orientation="h",
        text=[f"{value:+.1f}" for value in points],
        textposition="outside",
        cliponaxis=False,
        marker_color=[THEME_COLOURS[1] if value < 0 else THEME_COLOURS[0] for value in points],
        hovertemplate="%{customdata}: %{x:+.2f} percentage points<extra></extra>",
    )
    figure = go.Figure(bar)
    limit = max(1.0, np.abs(points).max(initial=0)) * 1.25
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=70 + 28 * len(shown), bargap=0.25)
    figure.update_xaxes(title="change of accuracy (percentage points)", range=[-limit, limit], zeroline=True)
    figure.update_yaxes(autorange="reversed", **class_axis(names))
    return figure


def order_by_change(changes: np.ndarray) -> np.ndarray:
    """Return the classes whose change (classes,) is known, largest decrease first: (n,) int64."""
    known = np.flatnonzero(~np.isnan(changes))
    return known[np.argsort(changes[known], kind="stable")]


def prediction_bars(before: np.ndarray, after: np.ndarray, classes: Sequence[str]) -> go.Figure:
    """Draw the probabilities (classes,) of one image before and after the ablation, for the RANKED classes most probable in either."""
    shown = np.argsort(-np.maximum(before, after), kind="stable")[:RANKED]
    names = [classes[label] for label in shown]
    figure = go.Figure()
    for name, probabilities, colour in (("before", before, THEME_COLOURS[0]), ("after", after, THEME_COLOURS[1])):
        figure.add_bar(
            x=probabilities[shown],
            y=escape_names(names),
            customdata=escape_names(names),
            orientation="h",
            name=name,
            text=[f"{probability:.1%}" for probability in probabilities[shown]],
            textposition="outside",
            cliponaxis=False,
            marker_color=colour,
            hovertemplate="%{customdata}, " + name + ": %{x:.2%}<extra></extra>",
        )
    figure.update_layout(
        margin={"l": 10, "r": 50, "t": 10, "b": 10},
        height=110 + 44 * len(shown),
        bargap=0.3,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(title="probability", range=[0, 1], tickformat=PERCENT)
    figure.update_yaxes(autorange="reversed", **class_axis(names))
    return figure
