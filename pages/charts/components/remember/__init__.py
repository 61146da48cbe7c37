"""Lets the browser change a ticket into the cookie of a person in a class. Nothing is shown."""

from pages.charts.components.asset import declare

_remember = declare("remember")


def remember(ticket: str) -> None:
    """Send `ticket` to the server, once, which answers with the cookie."""
    _remember(key="remember", data={"ticket": ticket})
