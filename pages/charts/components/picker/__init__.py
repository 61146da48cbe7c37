"""Images in a grid with a checkbox each, as one component: with one Streamlit checkbox for each image, a page took a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from pages.charts.components.asset import declare
from pages.charts.images import data_url

_picker = declare("picker")
SMALL = 50  # pixels; smaller images are enlarged without interpolation


@dataclass(frozen=True)
class GridImage:
    """An image to tick. `pixels`: (H, W, C) uint8, or a photograph. `name`, of one or more lines, stands below it, `about` is its tooltip and its text for screen
    readers. `is_wrong`: whether it is marked as a mistake."""

    id: int
    pixels: np.ndarray | Image.Image
    name: str
    about: str
    is_wrong: bool = False


def pick_images(key: str, images: Sequence[GridImage], *, are_large: bool = False) -> list[int]:
    """Show the grid. Return the ids of the ticked images, which stay under `key` in the session as long as the same images are shown.

    are_large: images about twice as wide, to see whether a label is right.
    """
    shown = [image.id for image in images]
    state = st.session_state.get(key, {})
    if state.get("shown") != shown:
        state = st.session_state[key] = {"shown": shown, "picked": [], "turn": state.get("turn", 0) + 1}
    picked: list[int] = state["picked"]
    turn = f"{key}-{state['turn']}"
    result = _picker(
        key=turn,
        data={"key": turn, "picked": picked, "areLarge": are_large, "images": [describe(image) for image in images]},
        default={"picked": None},
        on_picked_change=lambda: None,
    )
    if result.picked is not None:
        picked = state["picked"] = [number for number in result.picked if number in shown]
    return picked


def untick(key: str) -> None:
    """Show the images unticked from now on."""
    st.session_state[key] = {"turn": st.session_state.get(key, {}).get("turn", 0)}


def describe(image: GridImage) -> dict[str, object]:
    """Return the image as data for the browser."""
    sides = image.pixels.size if isinstance(image.pixels, Image.Image) else image.pixels.shape[:2]
    return {
        "id": image.id,
        "url": data_url(image.pixels),
        "name": image.name,
        "description": image.about,
        "isSmall": max(sides) < SMALL,
        "isWrong": image.is_wrong,
    }
