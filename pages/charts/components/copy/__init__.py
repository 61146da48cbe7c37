"""A button that copies a text to the clipboard, which Streamlit's own buttons cannot do."""

from pages.charts.components.asset import declare

_copy = declare("copy")


def copy_button(text: str) -> None:
    """Show the button, and beside it whether copying worked."""
    _copy(key="copy-link", data={"text": text})
