"""Curves of several runs on the same axes, fed by the event stream: curves of active runs grow without a rerun."""

from collections.abc import Mapping, Sequence

from cnn_core.runs.run import Run
from pages.charts.components.asset import declare

_overlay = declare("overlay")


def overlay(runs: Sequence[Run], measure: str, axis: str, smoothing: float) -> None:
    """Draw `measure` ("validation loss", "step accuracy", …) of the runs against `axis`: "step", "epoch" or "minutes".

    smoothing: 0 to 1, the factor of the running mean; below a smoothed curve the original is drawn faintly.
    """
    described = [_describe(run, run.name or run.id, run.id, number) for number, run in enumerate(runs)]
    label = f"{measure.capitalize()} of the selected runs by {axis}"
    _overlay(key="overlay", data={"runs": described, "measures": [measure], "axis": axis, "smoothing": smoothing, "label": label})


def overlay_groups(groups: Mapping[str, Sequence[Run]], measures: Sequence[str]) -> None:
    """Draw one or two `measures` of groups of runs against the epoch: of each group the mean, and a band from its lowest to its highest run.

    The second measure is dotted. A group of one run has no band.
    """
    described = [_describe(run, name, name, number) for number, (name, runs) in enumerate(groups.items()) for run in runs]
    label = f"{' and '.join(measures).capitalize()} by epoch of {' and '.join(groups)}"
    data = {"runs": described, "measures": list(measures), "axis": "epoch", "smoothing": 0.0, "label": label}
    _overlay(key="overlay", data=data)


def _describe(run: Run, name: str, group: str, colour: int) -> dict[str, object]:
    return {"id": run.id, "name": name, "group": group, "colour": colour, "active": run.is_active}
