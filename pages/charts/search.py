"""Charts of a search: pure functions from its trials to Plotly figures."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import plotly.graph_objects as go

from cnn_core.config.schema import title
from cnn_core.search.trials import Trial
from pages.charts.theme import PERCENT, THEME_COLOURS

EACH_TICK = 12  # trials; a longer axis does not have a tick for each
MIN_MARGIN = 0.01  # of accuracy, above and below the points
STATES = {  # name, marker and colour of each state; distinct without colours too
    "complete": ("completed", "circle", THEME_COLOURS[0]),
    "pruned": ("stopped early", "triangle-down", THEME_COLOURS[4]),
    "failed": ("failed", "x", THEME_COLOURS[1]),
}


def best_so_far(trials: Sequence[Trial], goal: int = 1) -> go.Figure:
    """Return the validation accuracy of every ended trial by its position (from 1), and the best so far as a step line.

    A failed trial has no accuracy and is drawn at the lowest one. goal: trials of the whole search, for which the axis has room.
    """
    ended = [(position, trial) for position, trial in enumerate(trials, start=1) if trial.state != "running"]
    measured = [(position, trial.value) for position, trial in ended if trial.value is not None and trial.state != "failed"]
    lowest = min((value for _, value in measured), default=0.0)
    figure = go.Figure()
    if measured:
        positions, values = zip(*measured, strict=True)
        best = list(accumulate(values, max))
        figure.add_scatter(
            x=[*positions, ended[-1][0]],
            y=[*best, best[-1]],
            mode="lines",
            name="best so far",
            line={"shape": "hv", "width": 2, "color": THEME_COLOURS[2]},
            hovertemplate="best after trial %{x}: %{y:.2%}<extra></extra>",
        )
    for state, (name, symbol, colour) in STATES.items():
        if matching := [(position, trial) for position, trial in ended if trial.state == state]:
            figure.add_scatter(
                x=[position for position, _ in matching],
                y=[lowest if trial.value is None or state == "failed" else trial.value for _, trial in matching],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 9, "color": colour},
                customdata=[[trial.run, name] for _, trial in matching],
                hovertemplate="trial %{x}: "
                + ("" if state == "failed" else "%{y:.2%}, ")
                + "%{customdata[1]}<br>%{customdata[0]}<extra></extra>",
            )
    figure.update_layout(
        height=320,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    last, highest = ended[-1][0] if ended else 1, max((value for _, value in measured), default=0.0)
    margin = max(MIN_MARGIN, (highest - lowest) / 10)
    figure.update_xaxes(
        title="trial",
        range=[0.5, max(last, goal) + 0.5],
        dtick=1 if max(last, goal) <= EACH_TICK else None,
        tickformat="d",
    )
    figure.update_yaxes(
        title="best validation accuracy", range=[lowest - margin, highest + margin], tickformat=PERCENT, automargin=True
    )
    return figure


def importance_bars(importance: Mapping[str, float]) -> go.Figure:
    """Return the importance of each setting as a horizontal bar, the largest on top."""
    names = [title(name) for name in importance]
    figure = go.Figure(
        go.Bar(
            x=list(importance.values()),
            y=names,
            orientation="h",
            text=[f"{value:.0%}" for value in importance.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_layout(height=80 + 34 * len(names), margin={"l": 10, "r": 45, "t": 10, "b": 10}, bargap=0.3)
    figure.update_xaxes(title="importance", range=[0, 1], tickformat=PERCENT)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure
