"""The chart of the Robustness view: accuracy by strength, one line for each corruption."""

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from pages.charts.theme import PERCENT

if TYPE_CHECKING:
    from cnn_core.metrics.robustness import Robustness

# The theme's colours are distinguishable with colour blindness; symbols and dashes differ too.
STYLES = (
    ("circle", "solid"),
    ("square", "dash"),
    ("diamond", "dot"),
    ("cross", "dashdot"),
    ("triangle-up", "longdash"),
    ("x", "longdashdot"),
    ("star", "solid"),
)
MARGIN = 0.02  # of accuracy, above and below the lines


def robustness_chart(result: "Robustness", classes: int) -> go.Figure:
    """Draw accuracy by strength 0 to 5, with the chance level of `classes` if the lines come near it.

    The legend begins with the corruption that lowers the accuracy least.
    """
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy = result.accuracy
    best_first = (-accuracy.mean(1)).argsort(kind="stable").tolist()
    figure = go.Figure()
    for place, (corruption, line) in enumerate(zip(CORRUPTIONS, accuracy, strict=True)):
        symbol, dash = STYLES[place]
        texts = ["no corruption", *map(corruption.describe, corruption.strengths)]
        figure.add_scatter(
            x=list(range(len(line))),
            y=line,
            mode="lines+markers",
            name=corruption.name,
            legendrank=best_first.index(place),
            line={"dash": dash},
            marker={"symbol": symbol, "size": 9},
            customdata=[_describe(result, text, float(value)) for text, value in zip(texts, line, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    bottom, top = _range(float(accuracy.min()), float(accuracy.max()))
    if classes and bottom < 1 / classes < top:
        figure.add_hline(1 / classes, line={"dash": "dot", "width": 1}, annotation={"text": "chance level", "xanchor": "right"})
    figure.update_layout(
        height=440,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title="strength (0: no corruption)", dtick=1, range=[-0.15, accuracy.shape[1] - 0.85])
    figure.update_yaxes(title="accuracy", range=[bottom, top], tickformat=PERCENT, automargin=True)
    return figure


def _describe(result: "Robustness", text: str, accuracy: float) -> str:
    low, high = result.interval(accuracy)
    return f"{text}<br>accuracy {accuracy:.1%} (95% interval: {low:.1%} to {high:.1%})"


def _range(lowest: float, highest: float) -> tuple[float, float]:
    """Return both ends of the axis: whole tenths around the lines, with a margin."""
    bottom = max(0.0, math.floor(10 * (lowest - MARGIN)) / 10)
    top = min(1.0, math.ceil(10 * (highest + MARGIN)) / 10)
    return bottom if bottom else -MARGIN, top + MARGIN
