"""What a search has found as charts: pure functions from its trials to Plotly figures."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import plotly.graph_objects as go

from cnn_core.config.schema import TrainConfig
from cnn_core.search.trials import Trial
from pages.charts.theme import THEME_COLOURS

FEW = 6  # trials, for which there is room at least
LEAST_ROOM = 0.01  # of accuracy, above and below the points
STATES = {  # how a state is called, its mark and its colour: told apart without colours too
    "complete": ("trained to its end", "circle", THEME_COLOURS[0]),
    "pruned": ("ended early", "triangle-down", THEME_COLOURS[4]),
    "failed": ("failed", "x", THEME_COLOURS[1]),
}


def best_so_far(trials: Sequence[Trial]) -> go.Figure:
    """Every ended trial's validation accuracy at its place (from 1), and the best so far as a line of steps. `trials`: in their order.

    A failed trial has no accuracy and stands at the lowest one.
    """
    ended = [(place, trial) for place, trial in enumerate(trials, start=1) if trial.state != "running"]
    measured = [(place, trial.value) for place, trial in ended if trial.value is not None and trial.state != "failed"]
    lowest = min((value for _, value in measured), default=0.0)
    figure = go.Figure()
    if measured:
        places, values = zip(*measured, strict=True)
        best = list(accumulate(values, max))
        figure.add_scatter(
            x=[*places, ended[-1][0]],
            y=[*best, best[-1]],
            mode="lines",
            name="best so far",
            line={"shape": "hv", "width": 2, "color": THEME_COLOURS[2]},
            hovertemplate="best after trial %{x}: %{y:.2%}<extra></extra>",
        )
    for state, (name, symbol, colour) in STATES.items():
        if those := [(place, trial) for place, trial in ended if trial.state == state]:
            figure.add_scatter(
                x=[place for place, _ in those],
                y=[lowest if trial.value is None or state == "failed" else trial.value for _, trial in those],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 9, "color": colour},
                customdata=[[trial.run, name] for _, trial in those],
                hovertemplate="trial %{x}: "
                + ("" if state == "failed" else "%{y:.2%}, ")
                + "%{customdata[1]}<br>%{customdata[0]}<extra></extra>",
            )
    figure.update_layout(
        height=320,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    last, values = ended[-1][0] if ended else 1, [value for _, value in measured] or [0.0]
    room = max(LEAST_ROOM, (max(values) - lowest) / 10)
    figure.update_xaxes(title="trial", range=[0.5, max(last, FEW) + 0.5], dtick=1 if last <= 2 * FEW else None, tickformat="d")
    figure.update_yaxes(
        title="best validation accuracy", range=[lowest - room, max(values) + room], tickformat=".1%", automargin=True
    )
    return figure


def importance_bars(shares: Mapping[str, float]) -> go.Figure:
    """The share of each setting as a horizontal bar, the largest on top."""
    names = [TrainConfig.model_fields[name].title for name in shares]
    figure = go.Figure(
        go.Bar(
            x=list(shares.values()),
            y=names,
            orientation="h",
            text=[f"{share:.0%}" for share in shares.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_layout(height=80 + 34 * len(names), margin={"l": 10, "r": 45, "t": 10, "b": 10}, bargap=0.3)
    figure.update_xaxes(title="share of the differences", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure
