"""A canvas to draw on with mouse, finger or pen. It returns the drawing as PNG bytes after every stroke, or also during a stroke.

Our own: streamlit-drawable-canvas (0.13) sends a drawing only after a stroke, has no eraser, and loads 413 kB of JavaScript.
"""

import base64
import binascii
import html
from typing import Any

import streamlit as st

from pages.charts.components.asset import declare

_canvas = declare("canvas")
PREFIX = "data:image/png;base64,"


def drawing_canvas(key: str, *, is_ink: bool, is_live: bool = False) -> bytes | None:
    """Show the canvas. Return the drawing as PNG bytes, or None while it is empty.

    is_ink: draw white on black, as digits are; a small drawing is returned enlarged. Otherwise draw in colours on white. is_live: send the drawing during a stroke too, each time after
    `mark_answered` was called for the one before. The drawing stays in the session, so that another page can be visited meanwhile.
    """
    drawing = _drawing(key)
    result = _canvas(
        key=key,
        data={"isInk": is_ink, "isLive": is_live, "strokes": drawing.get("strokes", []), "turn": drawing.get("turn", 0)},
        default={"drawing": None},
        on_drawing_change=lambda: None,
    )
    # On a page that is opened again the component has sent nothing yet: the earlier drawing is still valid.
    if result.drawing is not None:
        drawing = st.session_state[_drawing_key(key)] = result.drawing
    image = drawing.get("image") or ""
    if not image.startswith(PREFIX):
        return None
    try:
        return base64.b64decode(image.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return None


def mark_answered(key: str, announcement: str = "") -> None:
    """Let the live canvas of that key send its next drawing: the page above shows the prediction for the last one.

    announcement: what a screen reader says once there has been no stroke for a second.
    """
    turn = int(_drawing(key).get("turn", 0))
    st.html(f'<i class="draw-answered" data-turn="{turn}" hidden>{html.escape(announcement)}</i>')


def _drawing(key: str) -> dict[str, Any]:
    return st.session_state.get(_drawing_key(key)) or {}


def _drawing_key(key: str) -> str:
    return f"{key}-drawing"
