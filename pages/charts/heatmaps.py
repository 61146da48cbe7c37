"""Heatmaps over images, and grids of many small maps, a page at a time."""

import html
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from pages.charts.images import data_url

PAGE = 64  # maps
# Black, violet, orange and yellow at equal steps, from matplotlib's "inferno": brightness rises also for colour-blind readers.
HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float64)
GRID_STYLE = """<style>
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(68px, 1fr)); gap: 0.5rem; }
.maps figure { margin: 0; }
.maps img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; display: block; border: 1px solid var(--st-border-color); border-radius: 0.25rem; background: var(--st-secondary-background-color); }
.maps figcaption { font-size: 0.72rem; line-height: 1.3; text-align: center; opacity: 0.8; }
</style>"""


def overlay_heatmap(image: np.ndarray, heat: np.ndarray, opacity: float) -> np.ndarray:
    """Return a heatmap (H, W) in 0..1 over the greyscale of an image (H, W, C) uint8, as (H, W, 3) uint8.

    opacity: of the heatmap where it is 1; it is proportionally lower elsewhere. 0..1.
    """
    grey = np.repeat(image.mean(2, keepdims=True), 3, 2)
    cover = opacity * heat[..., None]
    return (grey * (1 - cover) + heatmap_colours(heat) * cover).round().astype(np.uint8)


def heatmap_colours(heat: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) in 0..255 for a heatmap (H, W) in 0..1."""
    steps = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(heat, steps, HEAT[:, colour]) for colour in range(3)], 2)


def show_map_grid(count: int, noun: str, draw: Callable[[range], Sequence[tuple[np.ndarray, str]]], key: str) -> None:
    """Show `count` maps, each a `noun` ("channel"), a page at a time. draw: gives pixels and captions for a range of indices."""
    pages = -(-count // PAGE)
    page = st.pagination(pages, key=key) if pages > 1 else 1
    shown = range((page - 1) * PAGE, min(page * PAGE, count))
    if pages > 1:
        st.caption(f"{noun.capitalize()}s {shown.start:,} to {shown.stop - 1:,} of {count:,}, counted from 0")
    st.html(GRID_STYLE + f'<div class="maps">{"".join(_figure(*card, noun) for card in draw(shown))}</div>')


def _figure(pixels: np.ndarray, caption: str, noun: str) -> str:
    alt = html.escape(f"{noun} {caption}")
    return f'<figure><img src="{data_url(pixels)}" alt="{alt}"><figcaption>{html.escape(caption)}</figcaption></figure>'
