"""Parallel coordinates of runs: an axis for each differing setting, and the validation accuracy as the last.

In: runs, or plain columns of values (the trials of a search). Out: a chart that scrolls sideways on narrow pages.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.config.schema import title, value_text
from cnn_core.runs.comparison import SEED, differing_settings
from cnn_core.runs.run import Run
from pages.charts.components.wide import wide_chart
from pages.charts.theme import PERCENT

MIN_RUNS = 3  # runs; for fewer the table of differences is enough
MAX_AXES = 7
LOG_RATIO = 100.0  # highest divided by lowest value from which an axis is logarithmic
MAX_TICKS = 8
ENDS_AND_MIDDLE = 5  # ticks of an axis that also has a position for "no value"
NO_VALUE_OFFSET = 0.15  # of the axis's length: how far that position is below the lowest value
MIN_TICK_DISTANCE = 0.05  # of the axis's length, between two ticks
MAX_VALUE_LENGTH = 16  # characters of a value beside its axis
MAX_TITLE_LENGTH = 22  # characters of an axis's name
AXIS_PIXELS = 135  # from axis to axis: the width of such a name

LEFT_OUT = " Selected runs without an accuracy, which are not shown: {count}."


def show_runs_in_parallel(runs: Sequence[Run]) -> None:
    """Show the chart, where enough runs differ and have an accuracy."""
    accuracies = {run.id: accuracy for run in runs if (accuracy := run.summary.get("best_val_accuracy")) is not None}
    measured = [run for run in runs if run.id in accuracies]
    differing = differing_settings(measured)
    if len(measured) < MIN_RUNS or not differing:
        return
    st.header("Settings and accuracy")
    left_out = len(runs) - len(measured)
    some = LEFT_OUT.format(count=left_out) if left_out else ""
    names = [name for name in differing if name != SEED or len(differing) == 1]
    show_parallel_coordinates({name: differing[name] for name in names}, list(accuracies.values()), "run", more=some)


def show_parallel_coordinates(
    columns: Mapping[str, Sequence[Any]], accuracies: Sequence[float], noun: str, *, logs: Collection[str] = (), more: str = ""
) -> None:
    """Show a line for each `noun` ("run"): its value of each setting in `columns`, and its validation accuracy (0..1).

    logs: the settings with a logarithmic axis; others get one where the ratio of their values is at least LOG_RATIO. more: text below the chart.
    """
    st.caption(
        f"One line for each {noun}. The colour and the last axis show its validation accuracy."
        f" Drag along an axis to select lines. Drag the name of an axis to move it.{more}"
    )
    figure = parallel_coordinates(columns, accuracies, logs)
    alt = f"Parallel coordinates of {len(accuracies)} {noun}s: {', '.join(axis.label for axis in figure.data[0].dimensions)}"
    wide_chart(figure, AXIS_PIXELS * len(figure.data[0].dimensions), alt=alt, key=f"parallel-{noun}")


def parallel_coordinates(
    columns: Mapping[str, Sequence[Any]], accuracies: Sequence[float], logs: Collection[str] = ()
) -> go.Figure:
    """Return lines over the first settings of `columns` (a value for every run) and validation accuracy, which colours the lines."""
    last = {"label": "accuracy", "values": list(accuracies), "tickformat": PERCENT}
    line = {"color": list(accuracies), "showscale": False}  # the colours are the theme's
    axes = [_axis(name, columns[name], name in logs) for name in list(columns)[:MAX_AXES]]
    figure = go.Figure(go.Parcoords(line=line, dimensions=[*axes, last]))
    figure.update_layout(height=380, margin={"l": 80, "r": 70, "t": 50, "b": 20})
    return figure


def _axis(name: str, values: Sequence[Any], should_be_log: bool) -> dict[str, Any]:
    """Return an axis: linear, logarithmic, or categorical for values that are not numbers. None in `values`: without effect in that run."""
    label = _short(title(name))
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return _number_axis(label, values, known, should_be_log)
    categories = sorted(set(values), key=lambda value: (value is not None, str(value)))
    return {
        "label": label,
        "values": [categories.index(value) for value in values],
        "tickvals": list(range(len(categories))),
        "ticktext": [_format(name, value) for value in categories],
        "range": [-0.2, len(categories) - 0.8],
    }


def _number_axis(label: str, values: Sequence[float | None], known: Sequence[float], should_be_log: bool) -> dict[str, Any]:
    lowest, highest = min(known), max(known)
    is_log = lowest > 0 and (should_be_log or highest / lowest >= LOG_RATIO)
    scale = math.log10 if is_log else float
    if is_log or len(known) < len(values):
        ticks = _without_overlap(_ticks(known)) if is_log else np.linspace(lowest, highest, ENDS_AND_MIDDLE).tolist()
        no_value = scale(lowest) - NO_VALUE_OFFSET * (scale(highest) - scale(lowest) or 1)  # the position of runs without a value
        gap = [no_value] if len(known) < len(values) else []
        return {
            "label": f"{label} (log)" if is_log else label,
            "values": [no_value if value is None else scale(value) for value in values],
            "tickvals": [*gap, *map(scale, ticks)],
            "ticktext": [*(["–"] if gap else []), *(f"{tick:.4g}" for tick in ticks)],
        }
    return {"label": label, "values": list(values)}


def _ticks(values: Sequence[float]) -> list[float]:
    """Return the values where they are few, else the powers of ten between them and the two ends."""
    some = sorted(set(values))
    if len(some) <= MAX_TICKS:
        return some
    powers = range(math.ceil(math.log10(some[0])), math.floor(math.log10(some[-1])) + 1)
    return sorted({some[0], *(10.0**power for power in powers), some[-1]})


def _without_overlap(ticks: Sequence[float]) -> list[float]:
    """Return those of the ascending ticks whose labels do not overlap on a logarithmic axis; both ends stay."""
    closest = math.log10(ticks[-1] / ticks[0]) * MIN_TICK_DISTANCE
    chosen = [ticks[0]]
    for tick in ticks[1:-1]:
        if math.log10(tick / chosen[-1]) >= closest and math.log10(ticks[-1] / tick) >= closest:
            chosen.append(tick)
    return [*chosen, ticks[-1]] if ticks[-1] > ticks[0] else chosen


def _format(name: str, value: Any) -> str:
    text = value_text(name, value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"…{text[-MAX_VALUE_LENGTH:]}"  # these axes do not read text as HTML


def _short(title: str) -> str:
    return title if len(title) <= MAX_TITLE_LENGTH else f"{title[: MAX_TITLE_LENGTH - 1]}…"
