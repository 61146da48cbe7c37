"""Many runs at once as parallel coordinates: an axis for each setting in which they differ, the accuracy as the last. In: rows of the store."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from cnn_core.config import TrainConfig
from cnn_core.runs.compare import SEED, differences
from cnn_core.runs.store import Run

LEAST = 3  # runs; fewer are told apart by the table of differences
MOST_AXES = 7
WIDE = 100.0  # times the lowest value: then an axis is logarithmic
MOST_TICKS = 8
LONGEST = 16  # letters of a value beside its axis


def show_parallel(runs: Sequence[Run]) -> None:
    """The chart, where there are enough runs that differ and have an accuracy."""
    measured = [run for run in runs if _accuracy(run) is not None]
    if len(measured) < LEAST or not differences(measured):
        return
    st.subheader("Settings and accuracy")
    left_out = len(runs) - len(measured)
    some = f" {left_out} of the {len(runs)} chosen runs have no accuracy yet and are left out." if left_out else ""
    st.caption(
        "One line a run, coloured by its validation accuracy, the last axis (%)."
        f" Drag along an axis to keep the runs that pass there; drag its name to move it.{some}"
    )
    st.plotly_chart(parallel_figure(measured), alt="Parallel coordinates of the chosen runs' settings and accuracies")


def parallel_figure(runs: Sequence[Run]) -> go.Figure:
    """Lines over the settings that differ (the seed only if nothing else does) and validation accuracy, whose colour each line has."""
    differing = differences(runs)
    names = [name for name in differing if name != SEED or len(differing) == 1][:MOST_AXES]
    accuracies = [_accuracy(run) for run in runs]
    last = {"label": "best validation accuracy", "values": accuracies, "tickformat": ".1%"}
    line = {"color": accuracies, "showscale": False, "colorscale": "Viridis"}
    figure = go.Figure(go.Parcoords(line=line, dimensions=[*(_axis(name, differing[name]) for name in names), last]))
    figure.update_layout(height=380, margin={"l": 110, "r": 90, "t": 60, "b": 20})
    return figure


def _axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """An axis: by number, by its logarithm where values lie far apart, or by place where they are words."""
    title = TrainConfig.model_fields[name].title
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        least, most = min(values), max(values)
        if least > 0 and most / least >= WIDE:
            ticks = _ticks(values)
            return {
                "label": f"{title} (logarithmic)",
                "values": [math.log10(value) for value in values],
                "tickvals": [math.log10(value) for value in ticks],
                "ticktext": [f"{value:.3g}" for value in ticks],
            }
        return {"label": title, "values": list(values)}
    places = sorted(set(values), key=str)
    return {
        "label": title,
        "values": [places.index(value) for value in values],
        "tickvals": list(range(len(places))),
        "ticktext": [_word(value) for value in places],
        "range": [-0.2, len(places) - 0.8],
    }


def _ticks(values: Sequence[float]) -> list[float]:
    """The values themselves where they are few, else the powers of ten among them and the two ends."""
    some = sorted(set(values))
    if len(some) <= MOST_TICKS:
        return some
    powers = range(math.ceil(math.log10(some[0])), math.floor(math.log10(some[-1])) + 1)
    return sorted({some[0], *(10.0**power for power in powers), some[-1]})


def _word(value: Any) -> str:
    text = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else f"…{text[-LONGEST:]}"  # these axes show text as it is, not as HTML


def _accuracy(run: Run) -> float | None:
    return run.summary.get("best_val_accuracy")
