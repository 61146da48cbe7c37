"""A picture made ready for a network: what it is cut, scaled and turned into, so that a page can show exactly that.

Photographs: cropped, padded or stretched as the training images were. Digits of the UCI set: NIST's programs normalised their bitmaps before
E. Alpaydin and C. Kaynak counted their ink in an 8×8 grid: strokes fill the height, at most three quarters of the width, and
are as thick as makes ink cover 30.5 % of the box. That share is the same for all ten digits of the set, to 1.3 points. Digits of MNIST: scaled to
fit 20×20 pixels with their shape kept, their centre of mass in the middle of 28×28 (LeCun, Bottou, Bengio and Haffner, 1998, section III-A).
"""

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from cnn_core.data.decoder import to_pixels
from cnn_core.data.digits import enlarge
from cnn_core.data.source import DataInfo, Ink
from cnn_core.errors import ImageError
from cnn_core.models.saving import ModelCard

BOX, GRID = 128, 8  # pixels: the normalised bitmap's side, and the side of the ink counts made of it
WIDEST, NARROWEST = 0.75, 0.375  # shares of the box's side
INK_SHARE = 0.305
MNIST_BOX, MNIST_SIDE = 20, 28  # pixels
FULL = 0.75  # share of the height that every digit of the sets fills, at half of its brightness
OFF_CENTRE = 1.5  # pixels
LARGEST = 2048  # pixels of a side in which strokes are looked for: more show no finer ones, and take seconds and a gigabyte
FAINTEST = 0.15  # share of full contrast below which nothing counts as ink


def preprocess(image: Image.Image, card: ModelCard | DataInfo) -> np.ndarray:
    """What a network of `card`, or one that learns from such data, gets to see of an RGB picture: uint8 (S, S, C).

    A picture that has that size already, and where it shows a digit shows it as the training images do, is taken as it is: it is one of
    them. Raises ImageError when an ink picture is blank.
    """
    if card.ink:
        grey = _to_grey(image)
        if grey.shape == (card.image_size, card.image_size) and _is_normalised(grey, card.ink):
            return grey[..., None]
        normalise = normalise_mnist if card.ink == "mnist" else normalise_ink
        return normalise(grey)[..., None]
    return to_pixels(image, card.image_size, card.channels, card.fit)


def _to_grey(image: Image.Image) -> np.ndarray:
    """A picture in grey, (H, W) uint8, with sides of at most LARGEST."""
    grey = image.convert("L")
    grey.thumbnail((LARGEST, LARGEST))  # leaves smaller ones as they are
    return np.asarray(grey)


def normalise_mnist(grey: np.ndarray) -> np.ndarray:
    """The strokes in a grey picture (H, W) uint8 as a 28×28 uint8 digit, bright on black, where MNIST would have put it."""
    strokes = _crop_to(_find_ink(grey))
    height, width = strokes.shape
    scale = MNIST_BOX / max(height, width)
    small = Image.fromarray(strokes.astype(np.uint8) * 255).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX
    )
    values = np.asarray(small, np.float64)
    weight = values.sum()
    down, across = (values.sum(1) @ np.arange(small.height) / weight, values.sum(0) @ np.arange(small.width) / weight)
    page = Image.new("L", (MNIST_SIDE, MNIST_SIDE))
    middle = (MNIST_SIDE - 1) / 2
    page.paste(small, (round(middle - across), round(middle - down)))
    return np.asarray(page)


def normalise_ink(grey: np.ndarray) -> np.ndarray:
    """The strokes in a grey picture (H, W) uint8, light on dark or dark on light, as a 32×32 uint8 digit, bright on black."""
    strokes = _find_ink(grey)
    for _ in range(2):  # thickening moves the outline, so fit and thicken a second time
        strokes = _thicken(_fit(strokes))
    cell = BOX // GRID
    counts = _fit(strokes).reshape(GRID, cell, GRID, cell).mean((1, 3)) * 16
    return enlarge(counts.round())


def _is_normalised(grey: np.ndarray, ink: Ink) -> bool:
    """Whether a digit (S, S) uint8 stands on black paper where the set would have put it. Raises ImageError when there is none."""
    strokes = _crop_to(_find_ink(grey))
    if np.median(np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))):
        return False
    if ink != "mnist":
        return len(strokes) >= FULL * len(grey)
    weights = grey / grey.sum(dtype=np.int64)
    centre = np.array([weights.sum(axis) @ np.arange(MNIST_SIDE) for axis in (0, 1)])
    is_in_the_middle = abs(centre - (MNIST_SIDE - 1) / 2).max() <= OFF_CENTRE
    return bool(is_in_the_middle) and FULL * MNIST_BOX <= max(strokes.shape) <= MNIST_BOX


def _find_ink(grey: np.ndarray) -> np.ndarray:
    """Where there is ink, (H, W) bool: half-way from the paper, whose brightness is read from the border, to the strongest stroke."""
    values = grey.astype(np.float64) / 255
    paper = np.median(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])))
    ink = values - paper if paper < 0.5 else paper - values
    if ink.max(initial=0) < FAINTEST:
        raise ImageError("There is nothing drawn to recognise. Draw a digit, large and in one colour, or choose another picture.")
    return ink > ink.max() / 2


def _fit(strokes: np.ndarray) -> np.ndarray:
    """The strokes' bounding box scaled to the full height of a BOX×BOX bitmap, in the middle of its width."""
    box = _crop_to(strokes)
    width = round(BOX * min(max(box.shape[1] / box.shape[0], NARROWEST), WIDEST))
    scaled = Image.fromarray(box.astype(np.uint8) * 255).resize((width, BOX), Image.Resampling.BILINEAR)
    page = Image.new("L", (BOX, BOX))
    page.paste(scaled, ((BOX - width) // 2, 0))
    shades = np.asarray(page)
    return shades > shades.max() // 2  # of the darkest, not of black: a thin line on a large page is scaled down to grey


def _crop_to(strokes: np.ndarray) -> np.ndarray:
    """The bounding box of the strokes."""
    rows, columns = np.flatnonzero(strokes.any(1)), np.flatnonzero(strokes.any(0))
    return strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thicken(strokes: np.ndarray) -> np.ndarray:
    """The strokes grown or shrunk evenly until ink covers INK_SHARE of the bitmap."""
    distance = distance_transform_edt(~strokes) - distance_transform_edt(strokes)
    return distance <= np.quantile(distance, INK_SHARE)
