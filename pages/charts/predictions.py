"""Charts of class probabilities, of one model and of several: pure functions that return Plotly figures."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from pages.charts.class_axis import class_axis, escape_names
from pages.charts.theme import PERCENT, THEME_COLOURS

COMPARED_CLASSES = 5
MAX_BARS = 20
FAINT = 0.35  # opacity of bars; their text stays legible


def choose_bars(ranked: Sequence[tuple[str, float]], classes: Sequence[str], limit: int = MAX_BARS) -> list[tuple[str, float]]:
    """Return the `limit` most probable classes in the order of the classes, so that bars stay in place when probabilities change.

    ranked: class and probability (0..1), highest first.
    """
    place = {name: number for number, name in enumerate(classes)}
    return sorted(ranked[:limit], key=lambda pair: place[pair[0]])


def describe_bars(shown: Sequence[tuple[str, float]]) -> str:
    """Return the text alternative of a chart of these classes with their probabilities."""
    return f"Probabilities: {', '.join(f'{name} {probability:.1%}' for name, probability in shown)}"


def probability_bars(shown: Sequence[tuple[str, float]], *, is_faint: bool = False) -> go.Figure:
    """Return classes with their probabilities (0..1) as horizontal bars. is_faint: the probabilities are not to be relied on."""
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
            marker={"opacity": FAINT if is_faint else 1},
            hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 50, "t": 10, "b": 10}, height=60 + 28 * len(shown), bargap=0.25)
    return _with_axes(figure, names)


def compared_probability_bars(tables: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> go.Figure:
    """Return the probabilities of several runs side by side, for the COMPARED_CLASSES classes most probable in any of them.

    They stand in the order of `classes`. tables: for every run's name, the probability (0..1) of every class; all have the same classes.
    """
    best = sorted(classes, key=lambda name: -max(table[name] for table in tables.values()))[:COMPARED_CLASSES]
    shown = [name for name in classes if name in best]
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
    figure.update_xaxes(title="probability", range=[0, 1], tickformat=PERCENT)
    figure.update_yaxes(autorange="reversed", **class_axis(names))
    return figure
