"""A canvas to draw on with mouse, finger or pen. Gives the drawing as PNG bytes after every stroke."""

import base64
import binascii

import streamlit as st

from pages.ui.components.asset import declare

_canvas = declare("canvas")
PREFIX = "data:image/png;base64,"


def drawing_canvas(key: str, *, is_ink: bool) -> bytes | None:
    """The drawing as PNG bytes, or None while nothing is drawn. `is_ink`: white on black, as digits are; else colours on white.

    The drawing is kept for the session, so that a visit to another page loses nothing.
    """
    kept = f"{key}-drawing"
    drawing = st.session_state.get(kept) or {}
    result = _canvas(
        key=key,
        data={"ink": is_ink, "strokes": drawing.get("strokes", [])},
        default={"drawing": None},
        on_drawing_change=lambda: None,
    )
    # A page that is opened again has a component that says nothing yet: what was drawn before still holds.
    if result.drawing is not None:
        drawing = st.session_state[kept] = result.drawing
    image = drawing.get("image") or ""
    if not image.startswith(PREFIX):
        return None
    try:
        return base64.b64decode(image.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return None
