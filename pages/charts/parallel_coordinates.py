"""Many runs at once as parallel coordinates: an axis for each setting in which they differ, the accuracy as the last.

In: rows of the store, or plain columns of values (the trials of a search). Out: a chart that is moved sideways where the page is narrow.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import value_in_words
from cnn_core.runs.comparison import SEED, differences
from cnn_core.runs.run import Run
from pages.charts.components.wide import wide_chart

LEAST = 3  # runs; fewer are told apart by the table of differences
MOST_AXES = 7
WIDE = 100.0  # times the lowest value: then an axis is logarithmic
MOST_TICKS = 8
ENDS_AND_MIDDLE = 5  # ticks of an axis that also has a place for "no value", so much of its length below the lowest one
BELOW = 0.15
CLOSEST = 0.05  # of the axis's length, between two ticks
LONGEST = 16  # letters of a value beside its axis
LONGEST_TITLE = 22  # letters of an axis's name
ROOM = 135  # pixels from axis to axis, in which such a name has its place


def show_parallel(runs: Sequence[Run]) -> None:
    """The chart, where there are enough runs that differ and have an accuracy."""
    measured = [run for run in runs if _accuracy(run) is not None]
    differing = differences(measured)
    if len(measured) < LEAST or not differing:
        return
    st.subheader("Settings and accuracy")
    left_out = len(runs) - len(measured)
    some = f" {left_out} of the {len(runs)} chosen runs have no accuracy yet and are left out." if left_out else ""
    names = [name for name in differing if name != SEED or len(differing) == 1]
    draw_parallel({name: differing[name] for name in names}, [_accuracy(run) for run in measured], "run", more=some)


def draw_parallel(
    columns: Mapping[str, Sequence[Any]], accuracies: Sequence[float], what: str, *, logs: Collection[str] = (), more: str = ""
) -> None:
    """The chart of one line a `what` ("run"): its value in each of the settings `columns`, and its validation accuracy (0..1).

    `logs`: the settings whose axes are to be logarithmic; others are where their values lie far apart. `more`: said below.
    """
    st.caption(
        f"One line a {what}, coloured by its validation accuracy, the last axis (%)."
        f" Drag along an axis to keep the lines that pass there; drag its name to move it.{more}"
    )
    figure = parallel_figure(columns, accuracies, logs)
    alt = f"Parallel coordinates of {len(accuracies)} {what}s: {', '.join(axis.label for axis in figure.data[0].dimensions)}"
    wide_chart(figure, ROOM * len(figure.data[0].dimensions), alt=alt, key=f"parallel-{what}")


def parallel_figure(columns: Mapping[str, Sequence[Any]], accuracies: Sequence[float], logs: Collection[str] = ()) -> go.Figure:
    """Lines over the first settings of `columns` (each one's value in every run) and validation accuracy, whose colour each line has."""
    last = {"label": "accuracy", "values": list(accuracies), "tickformat": ".1%"}
    line = {"color": list(accuracies), "showscale": False}  # the colours are the theme's
    axes = [_axis(name, columns[name], name in logs) for name in list(columns)[:MOST_AXES]]
    figure = go.Figure(go.Parcoords(line=line, dimensions=[*axes, last]))
    figure.update_layout(height=380, margin={"l": 80, "r": 70, "t": 50, "b": 20})
    return figure


def _axis(name: str, values: Sequence[Any], should_be_log: bool) -> dict[str, Any]:
    """An axis: by number, by its logarithm where that is asked for or values lie far apart, or by place where they are words. None: without effect in that run."""
    title = _short(TrainConfig.model_fields[name].title)
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return _number_axis(title, values, known, should_be_log)
    places = sorted(set(values), key=lambda value: (value is not None, str(value)))
    return {
        "label": title,
        "values": [places.index(value) for value in values],
        "tickvals": list(range(len(places))),
        "ticktext": [_word(value) for value in places],
        "range": [-0.2, len(places) - 0.8],
    }


def _number_axis(title: str, values: Sequence[float | None], known: Sequence[float], should_be_log: bool) -> dict[str, Any]:
    least, most = min(known), max(known)
    is_log = least > 0 and (should_be_log or most / least >= WIDE)
    place = math.log10 if is_log else float
    if is_log or len(known) < len(values):
        ticks = _apart(_ticks(known)) if is_log else np.linspace(least, most, ENDS_AND_MIDDLE).tolist()
        nowhere = place(least) - BELOW * (place(most) - place(least) or 1)  # the place of those that have no value
        gap = [nowhere] if len(known) < len(values) else []
        return {
            "label": f"{title} (log)" if is_log else title,
            "values": [nowhere if value is None else place(value) for value in values],
            "tickvals": [*gap, *map(place, ticks)],
            "ticktext": [*(["–"] if gap else []), *(f"{tick:.3g}" for tick in ticks)],
        }
    return {"label": title, "values": list(values)}


def _ticks(values: Sequence[float]) -> list[float]:
    """The values themselves where they are few, else the powers of ten among them and the two ends."""
    some = sorted(set(values))
    if len(some) <= MOST_TICKS:
        return some
    powers = range(math.ceil(math.log10(some[0])), math.floor(math.log10(some[-1])) + 1)
    return sorted({some[0], *(10.0**power for power in powers), some[-1]})


def _apart(ticks: Sequence[float]) -> list[float]:
    """Those of the rising ticks whose numbers do not lie on each other on a logarithmic axis; both ends stay."""
    closest = math.log10(ticks[-1] / ticks[0]) * CLOSEST
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        if math.log10(tick / kept[-1]) >= closest and math.log10(ticks[-1] / tick) >= closest:
            kept.append(tick)
    return [*kept, ticks[-1]] if ticks[-1] > ticks[0] else kept


def _word(value: Any) -> str:
    text = "–" if value is None else value_in_words(value)
    return text if len(text) <= LONGEST else f"…{text[-LONGEST:]}"  # these axes show text as it is, not as HTML


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


def _accuracy(run: Run) -> float | None:
    return run.summary.get("best_val_accuracy")
