"""Charts of class probabilities, of one model and of several: pure functions that return Plotly figures."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from pages.charts.class_axis import class_axis, escape_names
from pages.charts.theme import THEME_COLOURS

COMPARED_CLASSES = 5


def probability_bars(ranked: Sequence[tuple[str, float]], limit: int = 10) -> go.Figure:
    """Return the most probable classes as horizontal bars, the most probable on top. ranked: class and probability (0..1), highest first."""
    shown = ranked[:limit]
    names = [name for name, _ in shown]
    figure = go.Figure(
        go.Bar(
            x=[probability for _, probability in shown],
            y=escape_names(names),
            customdata=escape_names(names),
            orientation="h",
            text=[f"{probability:.1%}" for _, probability in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 50, "t": 10, "b": 10}, height=60 + 28 * len(shown), bargap=0.25)
    return _with_axes(figure, names)


def compared_probability_bars(tables: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Return the probabilities of several runs side by side, for the COMPARED_CLASSES classes most probable in any of them.

    tables: for every run's name, the probability (0..1) of every class; all have the same classes.
    """
    classes = next(iter(tables.values()))
    shown = sorted(classes, key=lambda name: -max(table[name] for table in tables.values()))[:COMPARED_CLASSES]
    figure = go.Figure()
    for position, (label, table) in enumerate(zip(escape_names(list(tables)), tables.values(), strict=True)):
        figure.add_bar(
            x=[table[name] for name in shown],
            y=escape_names(shown),
            customdata=escape_names(shown),
            orientation="h",
            name=label,
            text=[f"{table[name]:.1%}" for name in shown],
            textposition="outside",
            cliponaxis=False,
            marker_color=THEME_COLOURS[position],
            hovertemplate="%{customdata}, " + label + ": %{x:.2%}<extra></extra>",
        )
    figure.update_layout(
        margin={"l": 10, "r": 50, "t": 10, "b": 10},
        height=110 + (18 + 16 * len(tables)) * len(shown),
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    return _with_axes(figure, shown)


def _with_axes(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    figure.update_xaxes(title="probability", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", **class_axis(names))
    return figure
