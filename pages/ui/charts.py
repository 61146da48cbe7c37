"""Charts that do not move, as pure functions from numbers to Plotly figures. (The moving ones are the live component's.)"""

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

ANNOTATED_CLASSES = 20  # above it, numbers in the cells could not be read


def confusion_heatmap(confusion: np.ndarray, classes: Sequence[str]) -> go.Figure:
    """The confusion matrix (C, C): row = true class, column = predicted class; colour = share of the true class, text = count."""
    names = [html.escape(name) for name in classes]  # Plotly reads its texts as HTML, and class names come from folders
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    heat = go.Heatmap(
        z=shares,
        x=names,
        y=names,
        customdata=confusion,
        text=confusion if len(classes) <= ANNOTATED_CLASSES else None,
        texttemplate="%{text}",
        zmin=0,
        zmax=1,
        colorbar={"title": "share of<br>true class", "tickformat": ".0%", "thickness": 12},
        hovertemplate="true %{y}<br>predicted %{x}<br>%{customdata} images (%{z:.1%})<extra></extra>",
        xgap=1,
        ygap=1,
    )
    figure = go.Figure(heat)
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=max(420, min(900, 34 * len(classes) + 110)))
    figure.update_xaxes(
        title="predicted class", type="category", tickangle=-40 if max(map(len, classes)) > 3 else 0, automargin=True
    )
    figure.update_yaxes(title="true class", type="category", autorange="reversed", automargin=True)
    return figure


def probability_bars(ranked: Sequence[tuple[str, float]], limit: int = 10) -> go.Figure:
    """The most probable classes as horizontal bars, most probable on top."""
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
