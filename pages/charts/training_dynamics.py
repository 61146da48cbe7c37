"""Charts of the Training dynamics view."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from pages.charts.theme import THEME_COLOURS

if TYPE_CHECKING:
    from cnn_core.metrics.training_dynamics import TrainingDynamics

# The theme's colours are distinguishable with colour blindness.
RIGHT, WRONG = THEME_COLOURS[:2]
PAPER = "#000038"  # Streamlit's chart theme replaces it with the page's background
HEIGHT, ROW = 300, 26
MOST_TIMES = 12  # forgetting events; the last bar counts the images with this many or more
MARKED = 40  # epochs up to which a cell is wide enough for a mark


def learned_chart(history: "TrainingDynamics") -> go.Figure:
    """Draw the images that were first correct in each epoch as bars, and all that were correct in it as a line."""
    epochs = np.array(history.epochs)
    first = np.diff(history.learned_by, prepend=0)
    figure = go.Figure()
    figure.add_bar(
        x=epochs,
        y=first,
        name="first correct",
        marker={"color": RIGHT},
        hovertemplate="epoch %{x}<br>images first correct: %{y:,}<extra></extra>",
    )
    figure.add_scatter(
        x=epochs,
        y=history.correct_per_epoch,
        name="correct in this epoch",
        mode="lines+markers" if len(epochs) <= MARKED else "lines",
        line={"color": WRONG, "width": 2},
        marker={"symbol": "square"},
        hovertemplate="epoch %{x}<br>images correct: %{y:,}<extra></extra>",
    )
    return _finish_layout(figure, "epoch")


def forgetting_chart(history: "TrainingDynamics") -> go.Figure:
    """Draw the number of learned images by forgetting events; the last bar includes higher numbers."""
    times = np.minimum(history.forgetting_events[~history.is_never_learned], MOST_TIMES)
    counts = np.bincount(times, minlength=1)
    names = [f"{number}+" if number == MOST_TIMES else str(number) for number in range(len(counts))]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=counts,
        marker={"color": RIGHT},
        hovertemplate="forgetting events: %{x}<br>images: %{y:,}<extra></extra>",
    )
    figure = _finish_layout(figure, "forgetting events")
    figure.update_xaxes(type="category")
    return figure


def epochs_chart(history: "TrainingDynamics", indices: Sequence[int], names: Sequence[str]) -> go.Figure:
    """Draw a row of epochs for each image at `indices` with its name: blue with ✓ if correct, orange with ✗ if wrong."""
    is_correct = np.stack([history.image_history(index) for index in indices])
    marks = np.where(is_correct, "✓", "✗")
    figure = go.Figure(
        go.Heatmap(
            x=history.epochs,
            y=[html.escape(name) for name in names],
            z=is_correct.astype(int),
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


def _finish_layout(figure: go.Figure, across: str) -> go.Figure:
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
    """Return one tick per epoch if there are few."""
    return {"dtick": 1} if len(history.epochs) <= 20 else {}
