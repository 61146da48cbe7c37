"""Charts of the Calibration view: reliability diagram, and accuracy by coverage."""

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from cnn_core.text import counted
from pages.charts.theme import PERCENT, THEME_COLOURS

if TYPE_CHECKING:
    from cnn_core.metrics.abstention import Abstention
    from cnn_core.metrics.calibration import Reliability

# The theme's colours are distinguishable with colour blindness; symbols and dashes differ too.
STYLES = ((THEME_COLOURS[0], "circle", "solid"), (THEME_COLOURS[1], "square", "dash"))
GREY = THEME_COLOURS[8]


def reliability_diagram(diagrams: dict[str, "Reliability"]) -> go.Figure:
    """Draw one or two reliability diagrams by name: above, accuracy by confidence; below, the number of images by confidence."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06)
    line = {"color": GREY, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, name="perfectly calibrated", hoverinfo="skip", row=1, col=1)
    for (name, reliability), (colour, symbol, dash) in zip(diagrams.items(), STYLES, strict=False):
        filled = reliability.count > 0
        texts = [_describe_bin(reliability, place, name) for place in range(len(reliability.count))]
        figure.add_scatter(
            x=reliability.confidence[filled],
            y=reliability.accuracy[filled],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 8, "color": colour},
            customdata=np.array(texts)[filled],
            hovertemplate="%{customdata}<extra></extra>",
            row=1,
            col=1,
        )
        figure.add_bar(
            x=(reliability.edges[:-1] + reliability.edges[1:]) / 2,
            y=reliability.count,
            name=name,
            legendgroup=name,
            showlegend=False,
            marker={"color": colour},
            customdata=texts,
            hovertemplate="%{customdata}<extra></extra>",
            row=2,
            col=1,
        )
    figure.update_layout(
        height=460,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        bargap=0.1,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(range=[0, 1.02], tickformat=PERCENT)
    figure.update_xaxes(title="confidence: probability of the predicted class", row=2, col=1)
    figure.update_yaxes(title="accuracy", range=[0, 1.02], tickformat=PERCENT, automargin=True, row=1, col=1)
    figure.update_yaxes(title="images", automargin=True, row=2, col=1)
    return figure


def _describe_bin(reliability: "Reliability", place: int, name: str) -> str:
    low, high = reliability.edges[place], reliability.edges[place + 1]
    head = f"{name}: {counted(int(reliability.count[place]), 'image')} with a confidence of {low:.0%} to {high:.0%}"
    if not reliability.count[place]:
        return head
    return f"{head}<br>mean confidence {reliability.confidence[place]:.1%}, accuracy {reliability.accuracy[place]:.1%}"


def coverage_chart(curve: "Abstention", at: "Abstention") -> go.Figure:
    """Draw the accuracy by coverage, with a mark at the threshold of `at`."""
    colour, symbol = STYLES[0][0], "diamond"
    figure = go.Figure()
    figure.add_scatter(
        x=curve.coverage,
        y=curve.accuracy,
        mode="lines",
        name="any threshold",
        line={"color": colour},
        customdata=curve.thresholds,
        hovertemplate="threshold %{customdata:.1%}<br>coverage %{x:.1%}<br>accuracy %{y:.1%}<extra></extra>",
    )
    if at.predicted[0]:
        figure.add_scatter(
            x=at.coverage,
            y=at.accuracy,
            mode="markers",
            name=f"threshold {100 * at.thresholds[0]:g}%",
            marker={"symbol": symbol, "size": 13, "color": STYLES[1][0]},
            hovertemplate="coverage %{x:.1%}<br>accuracy %{y:.1%}<extra></extra>",
        )
    figure.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
    lowest = float(np.nanmin(np.append(curve.accuracy, 0.99)))
    figure.update_xaxes(title="coverage", range=[0, 1.02], tickformat=PERCENT)
    figure.update_yaxes(
        title="accuracy of predictions made", range=[lowest - 0.05 * (1 - lowest), 1.002], tickformat=PERCENT, automargin=True
    )
    return figure
