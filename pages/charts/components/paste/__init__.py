"""Images pasted anywhere on the page. Streamlit's uploader accepts them only while it has the focus."""

import base64
from collections.abc import Callable

import streamlit as st

from pages.charts.components.asset import declare

_paste = declare("paste")
MAX_BYTES = 16 * 2**20  # of one image, which is sent through the page's own connection


def take_pasted(key: str, on_paste: Callable[[list[tuple[str, bytes]]], None]) -> None:
    """Listen for pasted images. `on_paste` is called with the (name, content) of the pasted images before the page runs again."""

    def take() -> None:
        if files := [file for sent in st.session_state[key].pasted or () if (file := decode_file(sent))]:
            on_paste(files)

    _paste(key=key, data={"maxBytes": MAX_BYTES}, on_pasted_change=take)


def decode_file(sent: object) -> tuple[str, bytes] | None:
    """Return name and content of {"name": …, "image": data URL}; None for anything else."""
    match sent:
        case {"name": str(name), "image": str(url)}:
            try:
                return name, base64.b64decode(url.partition(";base64,")[2], validate=True)
            except ValueError:
                return None
    return None
