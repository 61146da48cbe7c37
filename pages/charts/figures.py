"""Static charts of probabilities and learning rates: pure functions from numbers to Plotly figures. (Live charts are components.)"""

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    from cnn_core.training.learning_rate_finder import RateCurve

MAX_POINTS = 400
# Streamlit's chart theme replaces these by the ten categorical colours of the page's light or dark theme.
THEME_COLOURS = tuple(f"#0000{place:02d}" for place in range(1, 11))


def probability_bars(ranked: Sequence[tuple[str, float]], limit: int = 10) -> go.Figure:
    """Return the most probable classes as horizontal bars, the most probable on top."""
    shown = ranked[:limit]
    figure = go.Figure(
        go.Bar(
            x=[probability for _, probability in shown],
            y=[html.escape(name) for name, _ in shown],
            orientation="h",
            text=[f"{probability:.1%}" for _, probability in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 50, "t": 10, "b": 10}, height=60 + 28 * len(shown), bargap=0.25)
    figure.update_xaxes(title="probability", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


def learning_rate_chart(schedule: Callable[[int], float], steps_per_epoch: int, epochs: int) -> go.Figure:
    """Return the learning rate by epoch, at up to MAX_POINTS of the steps."""
    steps = np.unique(np.linspace(0, steps_per_epoch * epochs - 1, MAX_POINTS).astype(int))
    rates = [schedule(int(step)) for step in steps]
    figure = go.Figure(
        go.Scatter(
            x=steps / steps_per_epoch,
            y=rates,
            mode="lines",
            line={"simplify": False},
            hovertemplate="epoch %{x:.2f}: %{y:.3g}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=220)
    figure.update_xaxes(title="epoch", range=[0, epochs])
    figure.update_yaxes(title="learning rate", rangemode="tozero", automargin=True)
    return figure


def learning_rate_finder_chart(result: "RateCurve") -> go.Figure:
    """Return the smoothed loss at rising learning rates, with the suggested learning rate marked."""
    curve = go.Scatter(
        x=result.rates,
        y=result.losses,
        mode="lines",
        hovertemplate="learning rate %{x:.2g}: loss %{y:.3f}<extra></extra>",
    )
    mark = go.Scatter(
        x=[result.proposal] * 2,
        y=[min(result.losses), max(result.losses)],
        mode="lines+text",
        line={"dash": "dash"},
        text=["", f"suggested {result.proposal:g}"],
        textposition="top center",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure = go.Figure([curve, mark])
    figure.update_layout(margin={"l": 10, "r": 10, "t": 30, "b": 10}, height=260, showlegend=False)
    figure.update_xaxes(title="learning rate", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="loss (cross-entropy, nats)", automargin=True)
    return figure
