"""Links in the question marks of a page, within reach of fingers and keyboards."""

from pages.charts.components.asset import declare

_tooltips = declare("tooltips")


def reach_tooltips() -> None:
    """To be called once on a page."""
    _tooltips(key="tooltips", data={})
