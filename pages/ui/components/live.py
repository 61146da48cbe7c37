"""The live panel of a run: progress, figures and two charts, fed by the event stream and never by a rerun."""

from cnn_core.runs.store import Run
from pages.ui.components.asset import declare

_live = declare("live")


def live_panel(run: Run) -> None:
    """Show `run`; when its status changes while it is watched, the page reruns once so that it can offer what comes next."""
    _live(key=f"live-{run.id}", data={"run": run.id, "status": run.status}, on_status_change=lambda: None)
