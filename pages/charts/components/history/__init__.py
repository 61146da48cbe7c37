"""The browser's history: Back leads to what was shown before, in one press. Nothing is shown."""

from pages.charts.components.asset import declare

_history = declare("history")


def keep_history(*, is_form: bool) -> None:
    """Let the browser keep one entry for each thing that a person opened. To be called before the page, which may write its address.

    is_form: whether the fields of the page are in its address; changing one of them adds no entry.
    """
    _history(key="history", data={"form": is_form})
