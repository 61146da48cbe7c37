"""A picture of one's own, drawn, uploaded or photographed: the same on every page that asks a network about one."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.decoder import SUFFIXES, DecodedImage, read_image, read_reduced
from cnn_core.errors import ImageError
from pages.charts.components.canvas import drawing_canvas
from pages.charts.images import image_html
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.models.saving import ModelCard

DRAW, UPLOAD, CAMERA = "Draw", "Upload", "Camera"
TYPES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
LARGEST_FILE = 64  # MB


def choose_own_image(
    card: "ModelCard", key: str, first: Mapping[str, Callable[[], DecodedImage | None]] = MappingProxyType({})
) -> DecodedImage | None:
    """Draw, upload or photograph, after the ways in `first`; None until there is a picture. `key`: of the widgets, another one for every page."""
    ways: dict[str, Callable[[], DecodedImage | None]] = {
        **first,
        DRAW: lambda: draw(card, key),
        UPLOAD: lambda: _upload(key),
        CAMERA: lambda: photograph(key),
    }
    return ways[choose_way(key, list(ways))]()


def choose_way(key: str, ways: Sequence[str]) -> str:
    """How the picture comes, the first of `ways` at first."""
    return st.segmented_control("How", ways, default=ways[0], required=True, label_visibility="collapsed", key=way_key(key))


def way_key(key: str) -> str:
    """Where the session keeps what `choose_way` of that key gave."""
    return f"{key}-how"


def draw(card: "ModelCard", key: str, *, is_live: bool = False) -> DecodedImage | None:
    """What is on the canvas, white on black where the network knows digits; None while it is empty. `is_live`: as it is drawn."""
    hint = {"uci": "Draw one digit, large. The 7s that it learned from have a bar.", "mnist": "Draw one digit, large."}
    st.caption(hint.get(card.ink, "Draw something that the network knows."))
    data = drawing_canvas(canvas_key(card, key), is_ink=bool(card.ink), is_live=is_live)
    return read_image(data, "The drawing") if data else None


def canvas_key(card: "ModelCard", key: str) -> str:
    """The canvas of the page called `key`: digits and colours have one each."""
    return f"{key}-ink" if card.ink else f"{key}-colour"


def photograph(key: str) -> DecodedImage | None:
    """A photograph from the camera, which the browser asks for."""
    photo = st.camera_input("Photograph, from this device’s camera", key=f"{key}-camera", help=CAMERA_HELP)
    return _read(photo.getvalue(), "The photograph", None) if photo else None


CAMERA_HELP = (
    "The browser asks whether it may use the camera. It gives it to pages on this computer (localhost) and to https:// only."
)


def _upload(key: str) -> DecodedImage | None:
    file = st.file_uploader(
        f"Picture (JPEG, PNG, WebP, BMP or GIF, up to {LARGEST_FILE} MB)",
        type=TYPES,
        max_upload_size=LARGEST_FILE,
        key=f"{key}-file",
    )
    return _read(file.getvalue(), f"“{file.name}”", f"Uploaded picture {file.name}") if file else None


def _read(data: bytes, name: str, shown_as: str | None) -> DecodedImage | None:
    """The picture, a sentence where it cannot be used. `shown_as`: what it is shown as, where nothing else shows it."""
    try:
        picture = read_reduced(data, name)
    except ImageError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    if shown_as:
        show_own_image(picture, shown_as)
    return picture


def show_own_image(picture: DecodedImage, name: str) -> None:
    """The picture, as large as is useful, with what was converted on the way."""
    st.html(image_html(picture.image, name, width=280))
    for note in picture.notes:
        st.caption(note)
