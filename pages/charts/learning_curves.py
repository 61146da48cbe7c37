"""The chart of learning curves: accuracy against the number of images of each class, with bands over the draws."""

from collections.abc import Mapping, Sequence
from statistics import mean

import plotly.graph_objects as go

from cnn_core.text import counted
from pages.charts.theme import PERCENT, THEME_COLOURS

HEIGHT = 340
SYMBOLS = ("circle", "square", "diamond")  # distinct without colours too
BAND = 0.18  # opacity


def learning_curves_chart(curves: Mapping[str, Mapping[int, Sequence[float]]], sizes: Sequence[int]) -> go.Figure:
    """Draw for each name the mean accuracy (fractions) over the draws of each size, and a band from the lowest to the highest.

    sizes: of the axis, which has room for all of them before they are measured.
    """
    figure = go.Figure()
    for number, (name, by_size) in enumerate(curves.items()):
        measured, colour = sorted(by_size), THEME_COLOURS[number]
        for bound, fill in ((max, None), (min, "tonexty")):
            figure.add_scatter(
                x=measured,
                y=[bound(by_size[size]) for size in measured],
                mode="lines",
                line={"width": 0, "color": colour},
                fill=fill,
                opacity=BAND,
                showlegend=False,
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=measured,
            y=[mean(by_size[size]) for size in measured],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9},
            customdata=[[min(by_size[size]), max(by_size[size]), counted(len(by_size[size]), "draw")] for size in measured],
            hovertemplate=f"{name}, %{{x}} images: %{{y:.1%}}<br>%{{customdata[0]:.1%}} to %{{customdata[1]:.1%}} in %{{customdata[2]}}<extra></extra>",
        )
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    figure.update_xaxes(title="images of each class", type="log", tickvals=list(sizes), ticktext=[str(size) for size in sizes])
    figure.update_yaxes(title="validation accuracy", tickformat=PERCENT)
    return figure
