"""How a network's answer to one image changed: from what was told after every epoch to a Plotly figure, as pure functions."""

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from cnn_core.events import Probed
from pages.charts.theme import THEME_COLOURS

SHOWN_CLASSES = 5
LONGEST_NAME = 24

Answers = dict[int, tuple[float, ...]]  # the probability of every class, by epoch


def answers(probed: Iterable[Probed], name: str) -> Answers:
    """What was said of the probe called `name`."""
    return {event.epoch: event.probabilities[event.names.index(name)] for event in probed if name in event.names}


def shown_classes(said: Mapping[int, Sequence[float]], truth: int = -1, limit: int = SHOWN_CLASSES) -> list[int]:
    """The classes worth a line, most probable now first: the true one, the one that is said now, and those that were ever most probable."""
    table = np.array([said[epoch] for epoch in sorted(said)])  # (epochs, classes)
    order = np.argsort(-table.max(0), kind="stable").tolist()
    first = dict.fromkeys([*([truth] if truth >= 0 else []), int(table[-1].argmax()), *order])
    return sorted(list(first)[:limit], key=lambda number: -table[-1, number])


def probability_lines(said: Mapping[int, Sequence[float]], classes: Sequence[str], truth: int = -1) -> go.Figure:
    """The probabilities of the classes worth a line over the epochs (`said` is not empty); the true class's line is the thick one."""
    epochs, figure = sorted(said), go.Figure()
    shown = shown_classes(said, truth)
    colours = _colours(shown)
    for number in shown:
        name = html.escape(_short(classes[number]))  # Plotly reads its texts as HTML, and class names come from folders
        figure.add_scatter(
            x=epochs,
            y=[said[epoch][number] for epoch in epochs],
            mode="lines+markers",
            name=f"<b>{name}</b>" if number == truth else name,
            line={"color": colours[number], "width": 3.5 if number == truth else 1.5},
            marker={"size": 6 if number == truth else 4},
            hovertemplate="epoch %{x}: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=190, showlegend=True, hoverlabel={"namelength": -1})
    few = {"dtick": 1, "range": [epochs[0] - 0.5, epochs[-1] + 0.5]} if epochs[-1] - epochs[0] < 8 else {}
    figure.update_xaxes(title="epoch", tickformat="d", **few)
    figure.update_yaxes(title="probability", range=[-0.03, 1.03], tickformat=".0%", dtick=0.5, automargin=True)
    return figure


def _colours(shown: Sequence[int]) -> dict[int, str]:
    """A colour for each class, as far as possible the same one in the charts of all images."""
    taken: dict[int, str] = {}
    for number in sorted(shown):
        wanted = [THEME_COLOURS[(number + step) % len(THEME_COLOURS)] for step in range(len(THEME_COLOURS))]
        taken[number] = next(colour for colour in wanted if colour not in taken.values())
    return taken


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
