"""Pictures pasted anywhere on the page, which Streamlit's uploader takes only while it has the focus."""

import base64
import binascii
from collections.abc import Callable

import streamlit as st

from pages.charts.components.asset import declare

_paste = declare("paste")
MAX_BYTES = 16 * 2**20  # of one image, which is sent through the page's own connection


def take_pasted(key: str, on_paste: Callable[[list[tuple[str, bytes]]], None]) -> None:
    """Listen; `on_paste` is called with the (name, content) of what was pasted, before the page runs again."""

    def take() -> None:
        if files := [file for sent in st.session_state[key].pasted or () if (file := _decode(sent))]:
            on_paste(files)

    _paste(key=key, data={"maxBytes": MAX_BYTES}, on_pasted_change=take)


def _decode(sent: dict[str, str]) -> tuple[str, bytes] | None:
    """The file in a data URL; None where it is none."""
    try:
        return sent["name"], base64.b64decode(sent["image"].partition(";base64,")[2], validate=True)
    except (KeyError, TypeError, AttributeError, binascii.Error):
        return None
