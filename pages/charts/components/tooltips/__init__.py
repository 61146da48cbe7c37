"""Makes links in the tooltips of a page usable by touch and keyboard."""

from pages.charts.components.asset import declare

_tooltips = declare("tooltips")


def reach_tooltips() -> None:
    """Make the links in tooltips reachable. Call it once on a page."""
    _tooltips(key="tooltips", data={})
