"""Small images as HTML: enlarged without interpolation, large ones reduced with it, with caption and alternative text. All names are escaped."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

SMOOTH = 96  # pixels: about the width of an image in a grid
GRID_STYLE = """<style>
.shots { display: grid; grid-template-columns: var(--columns, repeat(auto-fill, minmax(104px, 1fr))); gap: 0.75rem; }
.shots figure { margin: 0; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); overflow: hidden; }
.shots img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; display: block; background: var(--st-secondary-background-color); }
.shots figcaption { padding: 0.3rem 0.5rem 0.4rem; font-size: 0.8rem; line-height: 1.25; overflow-wrap: anywhere; }
.shots .wrong { border-color: var(--st-red-color); }
.shots .wrong b { color: var(--st-red-text-color); }
.shots small { opacity: 0.75; }
</style>"""


def image_html(image: Image.Image | np.ndarray, alt: str, *, width: int) -> str:
    """Return an image, or pixels (H, W, C) uint8, as HTML at most `width` CSS pixels wide."""
    style = f"width: 100%; max-width: {width}px; border-radius: 0.5rem; border: 1px solid var(--st-border-color); display: block;"
    small = max(image.size if isinstance(image, Image.Image) else image.shape[:2]) < width
    if isinstance(image, Image.Image):
        image = image.copy()
        image.thumbnail((2 * width, 2 * width))
        image = np.asarray(image)
    return (
        f'<img src="{data_url(image)}" alt="{html.escape(alt)}" style="{style}{" image-rendering: pixelated;" if small else ""}">'
    )


def labelled_grid(images: np.ndarray, names: Sequence[str]) -> str:
    """Return images (N, H, W, C) uint8 with their names as HTML."""
    cards = (
        f"<figure>{image_tag(image, name)}<figcaption>{html.escape(name)}</figcaption></figure>"
        for image, name in zip(images, names, strict=True)
    )
    return GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>'


def image_tag(image: np.ndarray, alt: str, title: str = "") -> str:
    """Return an image (H, W, C) uint8 of a grid as HTML: a small one is enlarged without interpolation, a large one is reduced with it."""
    style = "" if max(image.shape[:2]) < SMOOTH else ' style="image-rendering: auto"'
    tooltip = f' title="{html.escape(title)}"' if title else ""
    return f'<img src="{data_url(image)}" alt="{html.escape(alt)}"{tooltip}{style}>'


def data_url(image: Image.Image | np.ndarray) -> str:
    """Return pixels (H, W, C) uint8 as the data URL of a PNG, a photograph as that of a JPEG, which is a tenth as long."""
    out = io.BytesIO()
    kind = "jpeg" if isinstance(image, Image.Image) else "png"
    opened = image if isinstance(image, Image.Image) else Image.fromarray(image.squeeze())
    opened.save(out, kind.upper(), quality=90)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
