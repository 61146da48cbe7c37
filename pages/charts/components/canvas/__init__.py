"""A canvas to draw on with mouse, finger or pen. Gives the drawing as PNG bytes after every stroke, or also while the pen moves.

Our own: streamlit-drawable-canvas (0.13) tells of a drawing only when the pen has lifted, has no eraser, and brings 413 kB of JavaScript.
"""

import base64
import binascii

import streamlit as st

from pages.charts.components.asset import declare

_canvas = declare("canvas")
PREFIX = "data:image/png;base64,"


def drawing_canvas(key: str, *, is_ink: bool, is_live: bool = False) -> bytes | None:
    """The drawing as PNG bytes, or None while nothing is drawn. `is_ink`: white on black, as digits are; else colours on white.

    `is_live`: it comes while the pen moves, too, each time after `say_answered` told that the one before is answered.
    The drawing is kept for the session, so that a visit to another page loses nothing.
    """
    kept = _kept(key)
    drawing = st.session_state.get(kept) or {}
    result = _canvas(
        key=key,
        data={"isInk": is_ink, "isLive": is_live, "strokes": drawing.get("strokes", []), "turn": drawing.get("turn", 0)},
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


def say_answered(key: str) -> None:
    """Tell the live canvas of that key that what is above answers its last drawing."""
    turn = (st.session_state.get(_kept(key)) or {}).get("turn", 0)
    st.html(f'<i class="draw-answered" data-turn="{int(turn)}" hidden></i>')


def _kept(key: str) -> str:
    return f"{key}-drawing"
