"""An invisible live region: a screen reader reads its text when it changes, once and after what it is reading now."""

from pages.charts.components.asset import declare

_announcer = declare("announcer")


def announce(key: str, text: str) -> None:
    """Have `text` read when it differs from what this `key` had before. The first text of a key is not read: the page itself shows it."""
    _announcer(key=f"announcer-{key}", data={"text": text})
