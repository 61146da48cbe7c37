"""The live panel of a run: progress, figures and four charts, fed by the event stream and never by a rerun."""

from cnn_core.runs.run import Run
from pages.charts.components.asset import declare

_live = declare("live")


def live_panel(run: Run) -> int | None:
    """Show `run`; gives the epoch that was clicked just now, if one was.

    When its status changes while it is watched, the page reruns once so that it can offer what comes next.
    """
    facts = {"run": run.id, "status": run.status}
    result = _live(key=f"live-{run.id}", data=facts, on_status_change=lambda: None, on_epoch_change=lambda: None)
    return int(result.epoch) if result.epoch else None
