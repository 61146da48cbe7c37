"""A button that puts a text into the clipboard, which Streamlit's own buttons cannot."""

from pages.charts.components.asset import declare

_copy = declare("copy")


def copy_button(text: str) -> None:
    """The button; beside it stands what came of a press."""
    _copy(key="copy-link", data={"text": text})
