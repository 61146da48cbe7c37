"""Links in the tooltips of a page, within reach of fingers and keyboards."""

from pages.charts.components.asset import declare

_tooltips = declare("tooltips")


def reach_tooltips() -> None:
    """Make the links reachable. Call it once on a page."""
    _tooltips(key="tooltips", data={})
