"""The live panel of a run: progress, metrics and two charts, fed by the event stream and never by a rerun."""

from collections.abc import Mapping

from cnn_core.runs.run import Run
from pages.charts.components.asset import declare

_live = declare("live")


def live_panel(run: Run, label: str, active: Mapping[str, str]) -> int | None:
    """Show the panel. Return the epoch that was chosen in a chart just now, or None.

    label: the run's status in words. active: the statuses, by id, of the runs that wait or train, as the page shows them. When one of them, or
    the status of `run`, changes, the page reruns once: all of its texts then say the same.
    """
    data = {"run": run.id, "status": run.status, "label": label, "active": dict(active)}
    result = _live(key=f"live-{run.id}", data=data, on_status_change=lambda: None, on_epoch_change=lambda: None)
    return int(result.epoch) if result.epoch else None
