"""What happens when another page is opened: its heading gets the focus, and on a phone the menu closes. Icons are not read out."""

from pages.charts.components.asset import declare

_navigation = declare("navigation")


def follow_page(name: str) -> None:
    """Tell the browser which page is shown now. To be called at the end of the page, when its heading is there."""
    _navigation(key="navigation", data={"page": name})
