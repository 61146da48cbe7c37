"""Scroll to a container above that a press has filled: on a phone it is not in view when the button is."""

from pages.charts.components.asset import declare

_reveal = declare("reveal")


def reveal(container: str, number: int) -> None:
    """Scroll to the container with the key `container` when `number` is higher than before. Nothing is scrolled when a page is opened."""
    _reveal(key=f"reveal-{container}", data={"container": container, "number": number})
