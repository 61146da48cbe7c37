"""The chart of learning curves: accuracy against the number of images of each class, with bands over the draws."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean

import plotly.graph_objects as go

from cnn_core.text import counted
from pages.charts.theme import PERCENT, THEME_COLOURS

HEIGHT = 340
SYMBOLS = ("circle", "square", "diamond")  # distinct without colours too
BAND = 0.18  # opacity
USUAL_LOWEST = 0.5  # accuracy at the bottom of the chart, unless a lower one is measured
ROOM = 1.15  # beside the smallest and the largest size, as a factor


def learning_curves_chart(curves: Mapping[str, Mapping[int, Sequence[float]]], sizes: Sequence[int]) -> go.Figure:
    """Draw for each name the mean accuracy (fractions) over the draws of each size, and a band from the lowest to the highest.

    A name has the same colour whether others are measured or not. sizes: of the axis, which has room for all of them before they are measured.
    """
    figure = go.Figure()
    for number, (name, by_size) in enumerate(curves.items()):
        measured, colour = sorted(by_size), THEME_COLOURS[number]
        if not measured:
            continue
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
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "traceorder": "normal"},
    )
    bounds = [math.log10(min(sizes) / ROOM), math.log10(max(sizes) * ROOM)]
    figure.update_xaxes(
        title="images of each class", type="log", range=bounds, tickvals=list(sizes), ticktext=[str(size) for size in sizes]
    )
    lowest = min((value for by_size in curves.values() for values in by_size.values() for value in values), default=USUAL_LOWEST)
    bottom = min(USUAL_LOWEST, math.floor(10 * lowest) / 10)
    figure.update_yaxes(title="validation accuracy", range=[bottom, 1.02], tickformat=PERCENT)
    return figure
