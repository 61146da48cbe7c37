"""A person's own image, drawn, uploaded or photographed, on every page that classifies one."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.decoder import DecodedImage, read_image, read_reduced
from cnn_core.data.image_formats import SUFFIXES
from cnn_core.errors import ImageError
from pages.charts.components.canvas import drawing_canvas
from pages.charts.images import image_html
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.models.saving import ModelCard

DRAW, UPLOAD, CAMERA = "Draw", "Upload", "Camera"
# Any image that the browser knows, and other names that JPEG files have; the decoder names a format that it does not read. Letters, digits and
# underscores only: browsers refuse a list with others ("jpg~") as a whole, and their dialogs then show no file of these names.
TYPES = ("image", *sorted(suffix.removeprefix(".") for suffix in SUFFIXES), "jpg_large", "jpeg_large")
MAX_FILE_MB = 64
FORMATS = f"JPEG, PNG, WebP, BMP or GIF, up to {MAX_FILE_MB} MB"
CAMERA_HELP = "The browser asks for permission. It allows the camera only on https:// addresses and on this computer (localhost)."
HINTS = {"uci": "Draw one large digit. In the training images, 7 has a horizontal bar.", "mnist": "Draw one large digit."}


def choose_own_image(
    card: "ModelCard", key: str, first: Mapping[str, Callable[[], DecodedImage | None]] = MappingProxyType({})
) -> DecodedImage | None:
    """Return a drawn, uploaded or photographed image, or None until there is one.

    key: prefix of the widgets' keys, different on every page. first: other inputs by name, offered before these.
    """
    inputs: dict[str, Callable[[], DecodedImage | None]] = {
        **first,
        DRAW: lambda: draw(card, key),
        UPLOAD: lambda: _upload(key),
        CAMERA: lambda: photograph(key),
    }
    return inputs[choose_input(key, list(inputs))]()


def choose_input(key: str, inputs: Sequence[str], default: str = "") -> str:
    """Return the chosen one of `inputs`; without a `default`, the first is chosen at first."""
    first = default or inputs[0]
    chosen = st.segmented_control(
        "Input", inputs, default=first, required=True, label_visibility="collapsed", key=input_key(key), wrap=True
    )
    return chosen or first


def input_key(key: str) -> str:
    """Return the session key of `choose_input`."""
    return f"{key}-how"


def draw(card: "ModelCard", key: str, *, is_live: bool = False, is_ink: bool = False) -> DecodedImage | None:
    """Return the drawing, white on black for a model of digits or `is_ink`, or None while the canvas is empty. is_live: send every stroke."""
    is_ink = is_ink or bool(card.ink)
    st.caption(HINTS.get(card.ink, "Draw an object of one of the classes."))
    data = drawing_canvas(canvas_key(card, key, is_ink=is_ink), is_ink=is_ink, is_live=is_live)
    return read_image(data, "The drawing") if data else None


def canvas_key(card: "ModelCard", key: str, *, is_ink: bool = False) -> str:
    """Return the key of a page's canvas: white ink and colour drawings have one each."""
    return f"{key}-ink" if card.ink or is_ink else f"{key}-colour"


def photograph(key: str) -> DecodedImage | None:
    """Return a photograph from the camera."""
    photo = st.camera_input("Photograph", key=f"{key}-camera", help=CAMERA_HELP)
    return _read(photo.getvalue(), "The photograph", None) if photo else None


def _upload(key: str) -> DecodedImage | None:
    file = st.file_uploader("Image", type=TYPES, max_upload_size=MAX_FILE_MB, key=f"{key}-file", help=f"{FORMATS}.")
    return _read(file.getvalue(), f"“{file.name}”", f"Uploaded image {file.name}") if file else None


def _read(data: bytes, name: str, title: str | None) -> DecodedImage | None:
    """Return the image and show it under `title` (None: it is shown elsewhere); show a message where it cannot be used."""
    try:
        image = read_reduced(data, name)
    except ImageError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    if title:
        show_image(image, title)
    return image


def show_image(image: DecodedImage, title: str) -> None:
    """Show the image with notes on what was converted. title: its alternative text."""
    st.html(image_html(image.image, title, width=280))
    for note in image.notes:
        st.caption(note)
