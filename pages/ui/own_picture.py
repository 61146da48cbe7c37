"""A picture of one's own, drawn or uploaded: the same on every page that asks a network about one."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.image_file import SUFFIXES, Picture, read_picture
from cnn_core.errors import ImageError
from pages.ui.components.canvas import drawing_canvas
from pages.ui.images import picture_html
from pages.ui.text import plain

if TYPE_CHECKING:
    from cnn_core.models.saved import ModelCard


def take_picture(card: "ModelCard", key: str) -> Picture | None:
    """Draw or upload; None until there is a picture. `key`: of the widgets, another one for every page."""
    way = st.segmented_control(
        "How", ["Draw", "Upload"], default="Draw", required=True, label_visibility="collapsed", key=f"{key}-how"
    )
    return _drawn(card, key) if way == "Draw" else _uploaded(key)


def _drawn(card: "ModelCard", key: str) -> Picture | None:
    hint = {"uci": "Draw one digit, large. The 7s that it learned from have a bar.", "mnist": "Draw one digit, large."}
    st.caption(hint.get(card.ink, "Draw something that the network knows."))
    data = drawing_canvas(f"{key}-ink" if card.ink else f"{key}-colour", is_ink=bool(card.ink))
    return read_picture(data, "The drawing") if data else None


def _uploaded(key: str) -> Picture | None:
    types = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
    file = st.file_uploader(
        "Picture (JPEG, PNG, WebP, BMP or GIF, up to 64 MB)", type=types, max_upload_size=64, key=f"{key}-file"
    )
    if file is None:
        return None
    try:
        picture = read_picture(file.getvalue(), f"“{file.name}”")
    except ImageError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    st.html(picture_html(picture.image, f"Uploaded picture {file.name}", width=280))
    for note in picture.notes:
        st.caption(note)
    return picture
