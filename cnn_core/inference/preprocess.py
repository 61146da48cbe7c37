"""A picture made ready for a network: what it is cut, scaled and turned into, so that a page can show exactly that.

Photographs: middle square, scaled. Ink (digits): as the training digits were made, after E. Alpaydin and C. Kaynak's
description of the UCI set: the stroke's bounding box scaled to fill a 32×32 box, ink counted in an 8×8 grid.
"""

import numpy as np
from PIL import Image

from cnn_core.data.digits import SIZE, enlarge
from cnn_core.data.image_file import to_pixels
from cnn_core.errors import ImageError
from cnn_core.models.saved import ModelCard

GRID = 8
FAINTEST = 0.15  # share of full contrast below which nothing counts as ink


def received(image: Image.Image, card: ModelCard) -> np.ndarray:
    """What the network of `card` gets to see of an RGB picture: uint8 (S, S, C). Raises ImageError when an ink picture is blank."""
    if card.ink:
        return centre_ink(np.asarray(image.convert("L")))[..., None]
    return to_pixels(image, card.image_size, card.channels)


def centre_ink(grey: np.ndarray) -> np.ndarray:
    """The strokes in a grey picture (H, W) uint8, light on dark or dark on light, as a 32×32 uint8 digit, bright on black."""
    ink = _ink(grey)
    rows, columns = np.flatnonzero((ink > 0.5).any(1)), np.flatnonzero((ink > 0.5).any(0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIZE / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    strokes = Image.fromarray((box * 255).astype(np.uint8), "L").resize(
        (width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    )
    page = Image.new("L", (SIZE, SIZE))
    page.paste(strokes, ((SIZE - width) // 2, (SIZE - height) // 2))
    cell = SIZE // GRID
    counts = np.asarray(page, np.float64).reshape(GRID, cell, GRID, cell).mean((1, 3)) * 16 / 255
    return enlarge(counts.round())


def _ink(grey: np.ndarray) -> np.ndarray:
    """Ink per pixel in 0..1: the distance from the paper, whose brightness is read from the border."""
    values = grey.astype(np.float64) / 255
    paper = np.median(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])))
    ink = values - paper if paper < 0.5 else paper - values
    if ink.max(initial=0) < FAINTEST:
        raise ImageError("There is nothing drawn to recognise. Draw a digit, large and in one colour, or choose another picture.")
    return (ink / ink.max()).clip(0, 1)
