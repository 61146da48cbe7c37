"""The live panel of a run: progress, metrics and four charts, fed by the event stream and never by a rerun."""

from cnn_core.runs.run import Run
from pages.charts.components.asset import declare

_live = declare("live")


def live_panel(run: Run) -> int | None:
    """Show the panel. Return the epoch whose marker was clicked just now, or None.

    When the run's status changes, the page reruns once, so that it can offer what is possible then.
    """
    data = {"run": run.id, "status": run.status}
    result = _live(key=f"live-{run.id}", data=data, on_status_change=lambda: None, on_epoch_change=lambda: None)
    return int(result.epoch) if result.epoch else None
