"""Charts of the predictions for a tracked image by epoch: pure functions that return Plotly figures."""

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from cnn_core.events import TrackedPredictions
from pages.charts.theme import PERCENT, THEME_COLOURS

MAX_CLASSES = 5
MAX_NAME_LENGTH = 24

PredictionsByEpoch = dict[int, tuple[float, ...]]  # the probability of every class, by epoch


def predictions_of(events: Iterable[TrackedPredictions], name: str) -> PredictionsByEpoch:
    """Return the predictions for the tracked image `name`."""
    return {event.epoch: event.probabilities[event.names.index(name)] for event in events if name in event.names}


def shown_classes(predictions: Mapping[int, Sequence[float]], truth: int = -1, limit: int = MAX_CLASSES) -> list[int]:
    """Return at most `limit` classes, sorted by their latest probability: the true class, the predicted one, and those with the highest probabilities."""
    table = np.array([predictions[epoch] for epoch in sorted(predictions)])  # (epochs, classes)
    order = np.argsort(-table.max(0), kind="stable").tolist()
    first = dict.fromkeys([*([truth] if truth >= 0 else []), int(table[-1].argmax()), *order])
    return sorted(list(first)[:limit], key=lambda number: -table[-1, number])


def probability_lines(predictions: Mapping[int, Sequence[float]], classes: Sequence[str], truth: int = -1) -> go.Figure:
    """Return the probabilities of the shown classes over the epochs (`predictions` is not empty); the line of the true class is thick."""
    epochs, figure = sorted(predictions), go.Figure()
    shown = shown_classes(predictions, truth)
    colours = _colours(shown)
    for number in shown:
        name = html.escape(_short(classes[number]))  # Plotly reads text as HTML, and class names come from folders
        figure.add_scatter(
            x=epochs,
            y=[predictions[epoch][number] for epoch in epochs],
            mode="lines+markers",
            name=f"<b>{name}</b>" if number == truth else name,
            line={"color": colours[number], "width": 3.5 if number == truth else 1.5},
            marker={"size": 6 if number == truth else 4},
            hovertemplate="epoch %{x}: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=190, showlegend=True, hoverlabel={"namelength": -1})
    few = {"dtick": 1, "range": [epochs[0] - 0.5, epochs[-1] + 0.5]} if epochs[-1] - epochs[0] < 8 else {}
    figure.update_xaxes(title="epoch", tickformat="d", **few)
    figure.update_yaxes(title="probability", range=[-0.03, 1.03], tickformat=PERCENT, dtick=0.5, automargin=True)
    return figure


def _colours(shown: Sequence[int]) -> dict[int, str]:
    """Return a colour for each class, where possible the same in the charts of all images."""
    taken: dict[int, str] = {}
    for number in sorted(shown):
        candidates = [THEME_COLOURS[(number + step) % len(THEME_COLOURS)] for step in range(len(THEME_COLOURS))]
        taken[number] = next(colour for colour in candidates if colour not in taken.values())
    return taken


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
