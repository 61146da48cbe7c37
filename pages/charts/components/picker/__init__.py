"""Pictures in a grid, each of which can be ticked: one component for all of them, for a checkbox of its own each took a page a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.charts.components.asset import declare
from pages.charts.images import data_url

_picker = declare("picker")
LARGE = 104  # CSS pixels; smaller pictures are enlarged without blurring


@dataclass(frozen=True)
class GridImage:
    """Pixels (H, W, C) uint8; `name` stands below them, `about` is what screen readers and a resting pointer are told."""

    id: int
    pixels: np.ndarray
    name: str
    about: str


def pick_images(key: str, pictures: Sequence[GridImage]) -> list[int]:
    """The ids of the ticked pictures. They are kept under `key` in the session as long as the same pictures are shown."""
    shown = [picture.id for picture in pictures]
    kept = st.session_state.get(key, {})
    if kept.get("shown") != shown:
        kept = st.session_state[key] = {"shown": shown, "picked": [], "turn": kept.get("turn", 0) + 1}
    turn = f"{key}-{kept['turn']}"
    result = _picker(
        key=turn,
        data={"key": turn, "picked": kept["picked"], "images": [_card(picture) for picture in pictures]},
        default={"picked": None},
        on_picked_change=lambda: None,
    )
    if result.picked is not None:
        kept["picked"] = [number for number in result.picked if number in shown]
    return kept["picked"]


def untick(key: str) -> None:
    """Show the pictures unticked from now on."""
    st.session_state[key] = {"turn": st.session_state.get(key, {}).get("turn", 0)}


def _card(picture: GridImage) -> dict[str, object]:
    return {
        "id": picture.id,
        "url": data_url(picture.pixels),
        "name": picture.name,
        "description": picture.about,
        "isSmall": max(picture.pixels.shape[:2]) < LARGE,
    }
