"""The charts of the Learning view, as pure functions from a History to Plotly figures."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.theme import THEME_COLOURS

if TYPE_CHECKING:
    from cnn_core.metrics.training_dynamics import TrainingDynamics

    pass

# Colours are the theme's, which colour-blind readers tell apart.
RIGHT, WRONG = THEME_COLOURS[:2]
PAPER = "#000038"  # what Streamlit's chart theme puts the page's background in the place of
HEIGHT, ROW = 300, 26
MOST_TIMES = 12  # forgetting events that have a bar of their own
MARKED = 40  # epochs in which a cell has room for a mark


def learned_chart(history: "TrainingDynamics") -> go.Figure:
    """Bars: images that were right for the first time in an epoch. Line: all that were right in it."""
    epochs = np.array(history.epochs)
    first = np.diff(history.learned_by, prepend=0)
    figure = go.Figure()
    figure.add_bar(
        x=epochs,
        y=first,
        name="right for the first time",
        marker={"color": RIGHT},
        hovertemplate="epoch %{x}: %{y:,} images were right for the first time<extra></extra>",
    )
    figure.add_scatter(
        x=epochs,
        y=history.right_in,
        name="right in this epoch",
        mode="lines+markers" if len(epochs) <= MARKED else "lines",
        line={"color": WRONG, "width": 2},
        marker={"symbol": "square"},
        hovertemplate="epoch %{x}: %{y:,} images were right<extra></extra>",
    )
    return _laid_out(figure, "epoch")


def forgetting_chart(history: "TrainingDynamics") -> go.Figure:
    """How many of the images that were ever right were forgotten how often; the last bar holds all that were even more often."""
    times = np.minimum(history.forgotten[~history.is_never_learned], MOST_TIMES)
    counts = np.bincount(times, minlength=1)
    names = [f"{number}+" if number == MOST_TIMES else str(number) for number in range(len(counts))]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=counts,
        marker={"color": RIGHT},
        hovertemplate="forgotten %{x} times: %{y:,} images<extra></extra>",
    )
    figure = _laid_out(figure, "times forgotten")
    figure.update_xaxes(type="category")
    return figure


def epochs_chart(history: "TrainingDynamics", indices: Sequence[int], names: Sequence[str]) -> go.Figure:
    """A row of epochs for each image at `indices`, called `names`: blue with ✓ where it was right, orange with ✗ where it was wrong."""
    is_right = np.stack([history.of_image(index) for index in indices])
    marks = np.where(is_right, "✓", "✗")
    figure = go.Figure(
        go.Heatmap(
            x=history.epochs,
            y=[html.escape(name) for name in names],
            z=is_right.astype(int),
            zmin=0,
            zmax=1,
            colorscale=[[0, WRONG], [0.5, WRONG], [0.5, RIGHT], [1, RIGHT]],
            showscale=False,
            xgap=1 if len(history.epochs) <= 2 * MARKED else 0,
            ygap=2,
            text=marks,
            texttemplate="%{text}" if len(history.epochs) <= MARKED else "",
            textfont={"color": PAPER},
            hovertemplate="%{y}<br>epoch %{x}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(height=90 + ROW * len(indices), margin={"l": 10, "r": 10, "t": 10, "b": 10})
    figure.update_xaxes(title="epoch", tickformat="d", automargin=True, **_whole_ticks(history))
    figure.update_yaxes(automargin=True, autorange="reversed", type="category")
    return figure


def _laid_out(figure: go.Figure, across: str) -> go.Figure:
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        bargap=0.15,
    )
    figure.update_xaxes(title=across, tickformat="d")
    figure.update_yaxes(title="images", automargin=True, rangemode="tozero")
    return figure


def _whole_ticks(history: "TrainingDynamics") -> dict[str, int]:
    """One tick an epoch while there are few: in between there is nothing."""
    return {"dtick": 1} if len(history.epochs) <= 20 else {}
