"""The chart of the Robustness view, as a pure function to a Plotly figure: accuracy by strength, one line for every corruption."""

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    from cnn_core.metrics.robustness import Robustness

# Colours are the theme's, which colour-blind readers tell apart; symbols and dashes differ too.
LOOKS = (
    ("circle", "solid"),
    ("square", "dash"),
    ("diamond", "dot"),
    ("cross", "dashdot"),
    ("triangle-up", "longdash"),
    ("x", "longdashdot"),
    ("star", "solid"),
)
MARGIN = 0.02  # of accuracy, above and below the lines


def robustness_chart(found: "Robustness", classes: int) -> go.Figure:
    """Accuracy (share of the images) by strength 0 to 5, and where guessing among `classes` lies if the lines come near it.

    In the legend the corruption that is borne best comes first.
    """
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy = found.accuracy
    best_first = (-accuracy.mean(1)).argsort(kind="stable").tolist()
    figure = go.Figure()
    for place, (corruption, line) in enumerate(zip(CORRUPTIONS, accuracy, strict=True)):
        symbol, dash = LOOKS[place]
        words = ["as they are", *map(corruption.describe, corruption.strengths)]
        figure.add_scatter(
            x=list(range(len(line))),
            y=line,
            mode="lines+markers",
            name=corruption.name,
            legendrank=best_first.index(place),
            line={"dash": dash},
            marker={"symbol": symbol, "size": 9},
            customdata=[_in_words(found, text, float(share)) for text, share in zip(words, line, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    bottom, top = _range(float(accuracy.min()), float(accuracy.max()))
    if classes and bottom < 1 / classes < top:
        figure.add_hline(1 / classes, line={"dash": "dot", "width": 1}, annotation={"text": "guessing", "xanchor": "right"})
    figure.update_layout(
        height=440,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title="strength (0: as they are)", dtick=1, range=[-0.15, accuracy.shape[1] - 0.85])
    figure.update_yaxes(title="accuracy", range=[bottom, top], tickformat=".0%", automargin=True)
    return figure


def _in_words(found: "Robustness", text: str, share: float) -> str:
    low, high = found.interval(share)
    return f"{text}<br>{share:.1%} right (95 %: {low:.1%} to {high:.1%})"


def _range(lowest: float, highest: float) -> tuple[float, float]:
    """Both ends of the axis: whole tenths around the lines, with room for their marks."""
    bottom = max(0.0, math.floor(10 * (lowest - MARGIN)) / 10)
    top = min(1.0, math.ceil(10 * (highest + MARGIN)) / 10)
    return bottom if bottom else -MARGIN, top + MARGIN
