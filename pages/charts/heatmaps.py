"""Heatmaps over an image, and small feature maps in a paged grid."""

import html
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from pages.charts.images import data_url

PAGE = 64  # maps per page
# Black, violet, orange, yellow at equal steps: five colours of matplotlib's "inferno", whose brightness rises monotonically.
HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float64)
GRID_STYLE = """<style>
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(68px, 1fr)); gap: 0.5rem; }
.maps figure { margin: 0; }
.maps img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; display: block; border: 1px solid var(--st-border-color); border-radius: 0.25rem; background: var(--st-secondary-background-color); }
.maps figcaption { font-size: 0.72rem; line-height: 1.3; text-align: center; opacity: 0.8; }
</style>"""


def overlay_heatmap(image: np.ndarray, heat: np.ndarray, opacity: float) -> np.ndarray:
    """Return a heatmap (H, W) in 0..1 over a grey version of an image (H, W, C) uint8: (H, W, 3) uint8.

    opacity: 0..1, of the heatmap at its maximum; lower values are more transparent.
    """
    grey = np.repeat(image.mean(2, keepdims=True), 3, 2)
    cover = opacity * heat[..., None]
    return np.asarray((grey * (1 - cover) + heatmap_colours(heat) * cover).round(), np.uint8)


def heatmap_colours(heat: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) in 0..255 for values (H, W) in 0..1."""
    steps = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(heat, steps, HEAT[:, colour]) for colour in range(3)], 2)


def show_map_grid(count: int, what: str, draw: Callable[[range], Sequence[tuple[np.ndarray, str]]], key: str) -> None:
    """Show `count` images, each of a `what` ("channel"): `draw` returns pixels and a caption for a range of indices."""
    pages = -(-count // PAGE)
    page = st.pagination(pages, key=key) if pages > 1 else 1
    shown = range((page - 1) * PAGE, min(page * PAGE, count))
    if pages > 1:
        st.caption(f"{what.capitalize()}s {shown.start:,} to {shown.stop - 1:,} of {count:,}, numbered from 0")
    st.html(GRID_STYLE + f'<div class="maps">{"".join(_figure(*card, what) for card in draw(shown))}</div>')


def _figure(pixels: np.ndarray, caption: str, noun: str) -> str:
    alt = html.escape(f"{noun} {caption}")
    return f'<figure><img src="{data_url(pixels)}" alt="{alt}"><figcaption>{html.escape(caption)}</figcaption></figure>'
