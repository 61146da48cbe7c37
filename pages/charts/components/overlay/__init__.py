"""Chosen runs on the same axes, fed by the event stream: those that train go on growing, and nothing is run again for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnn_core.runs.run import Run
from pages.charts.components.asset import declare

_overlay = declare("overlay")


def overlay(runs: Sequence[Run], measure: str, axis: str, smoothing: float) -> None:
    """Draw `measure` ("validation loss", "step accuracy", …) of the runs against `axis`: step, epoch or minutes.

    smoothing: share (0..1) of the curve before in every point; under a smoothed curve lies what it was made of.
    """
    named = [_described(run, run.name or run.id, run.id, place) for place, run in enumerate(runs)]
    _overlay(key="overlay", data={"runs": named, "measures": [measure], "axis": axis, "smoothing": smoothing})


def overlay_groups(groups: Mapping[str, Sequence[Run]], measures: Sequence[str]) -> None:
    """Draw one or two `measures` of groups of runs against the epoch: a group has one colour and one name; the second measure is dotted."""
    named = [_described(run, name, name, place) for place, (name, runs) in enumerate(groups.items()) for run in runs]
    _overlay(key="overlay", data={"runs": named, "measures": list(measures), "axis": "epoch", "smoothing": 0.0})


def _described(run: Run, name: str, group: str, colour: int) -> dict[str, Any]:
    return {"id": run.id, "name": name, "group": group, "colour": colour, "active": run.is_active}
