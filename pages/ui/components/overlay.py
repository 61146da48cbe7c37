"""Chosen runs on the same axes, fed by the event stream: those that train go on growing, and nothing is run again for it."""

from collections.abc import Sequence

from cnn_core.runs.store import Run
from pages.ui.components.asset import declare

_overlay = declare("overlay", "plotting")


def overlay(runs: Sequence[Run], measure: str, axis: str, smoothing: float) -> None:
    """Draw `measure` ("validation loss", "step accuracy", …) of the runs against `axis`: step, epoch or minutes.

    smoothing: share (0..1) of the curve before in every point; under a smoothed curve lies what it was made of.
    """
    named = [{"id": run.id, "name": run.name or run.id, "active": run.is_active} for run in runs]
    _overlay(key="overlay", data={"runs": named, "measure": measure, "axis": axis, "smoothing": smoothing})
