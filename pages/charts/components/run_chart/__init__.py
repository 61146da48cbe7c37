"""A further chart of the run on the Train page, drawn from what the live panel receives: one quantity by epoch, or the accuracy of each class."""

from typing import Literal

from pages.charts.components.asset import declare

_run_chart = declare("run_chart")


def run_chart(run: str, kind: Literal["gauge", "classes"]) -> None:
    """Show the chart: "gauge" with a choice of the quantity, or "classes". The page needs a live panel of the same run."""
    _run_chart(key=f"run-chart-{kind}-{run}", data={"run": run, "kind": kind})
