"""Charts of the learning rate: its schedule, and the curve of the learning-rate finder. Pure functions that return Plotly figures."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    from cnn_core.training.learning_rate_finder import LearningRateCurve

POINTS = 400
SUGGESTED = "suggested: {rate:g}"


def schedule_chart(schedule: Callable[[int], float], steps_per_epoch: int, epochs: int) -> go.Figure:
    """Return the learning rate over the training, at up to POINTS of its steps. schedule: from step to learning rate."""
    steps = np.unique(np.linspace(0, steps_per_epoch * epochs - 1, POINTS).astype(int))
    figure = go.Figure(
        go.Scatter(
            x=steps / steps_per_epoch,
            y=[schedule(int(step)) for step in steps],
            mode="lines",
            line={"simplify": False},
            hovertemplate="epoch %{x:.2f}: %{y:.3g}<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=220)
    figure.update_xaxes(title="epoch", range=[0, epochs])
    figure.update_yaxes(title="learning rate", rangemode="tozero", automargin=True)
    return figure


def finder_curve(result: "LearningRateCurve") -> go.Figure:
    """Return the smoothed loss at rising learning rates, with a mark at the suggested one."""
    curve = go.Scatter(
        x=result.learning_rates,
        y=result.losses,
        mode="lines",
        hovertemplate="learning rate %{x:.2g}: loss %{y:.3f}<extra></extra>",
    )
    mark = go.Scatter(
        x=[result.proposal] * 2,
        y=[min(result.losses), max(result.losses)],
        mode="lines+text",
        line={"dash": "dash"},
        text=["", SUGGESTED.format(rate=result.proposal)],
        textposition="top center",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure = go.Figure([curve, mark])
    figure.update_layout(margin={"l": 10, "r": 10, "t": 30, "b": 10}, height=260, showlegend=False)
    figure.update_xaxes(title="learning rate", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="loss (cross-entropy)", automargin=True)
    return figure
