"""Preprocessing: an image cropped, scaled and converted as the model's training images were. In: an RGB image. Out: uint8 pixels.

Photographs are prepared as those of the data set. Digits of the UCI set: NIST's programs normalised their bitmaps before E. Alpaydin and
C. Kaynak counted their ink in an 8×8 grid: strokes fill the height and at most three quarters of the width, and ink covers 30.5% of
the box (within 1.3 percentage points for all ten digits). Digits of MNIST are scaled to fit 20×20 pixels without distortion, their
centre of mass in the middle of 28×28 (LeCun, Bottou, Bengio and Haffner, 1998, section III-A).
"""

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, distance_transform_edt, label

from cnn_core.data.decoder import DecodedImage, read_reduced
from cnn_core.data.digits import enlarge
from cnn_core.data.preparation import prepare_file, prepare_image
from cnn_core.data.source import DataInfo, Ink
from cnn_core.errors import ImageError
from cnn_core.models.saving import ModelCard

BOX, GRID = 128, 8  # pixels: the normalised bitmap's side, and the side of the ink counts made of it
MAX_WIDTH, MIN_WIDTH = 0.75, 0.375  # of the box's side
INK_FRACTION = 0.305
MNIST_BOX, MNIST_SIDE = 20, 28  # pixels
MIN_HEIGHT = 0.75  # of the image: every digit of the sets is higher, at half of its brightness
MAX_OFFSET = 1.5  # pixels between centre of mass and centre
MAX_SIDE = 2048  # pixels; larger images do not show finer strokes, and take seconds and a gigabyte
PAPER_SPREAD = 32  # levels to both sides of the paper's brightness, which differs within a photograph
MIN_FRAME = 0.5  # of the image's border
MIN_EDGE, MAX_EDGE = 0.95, 0.15  # of one side of the image, and of the image's height or width
MIN_CONTRAST = 0.15  # between ink and paper, 1 for black on white; with less the image is blank

BLANK = "The image shows no drawing. Draw a digit, large and in one colour, or choose another image."


def preprocess(image: DecodedImage | Image.Image, card: ModelCard | DataInfo) -> np.ndarray:
    """Return an RGB image as a model of `card`, or one trained on such data, receives it: uint8 (S, S, C).

    A photograph becomes what it becomes in the data set (see `data.preparation`); a DecodedImage is decoded again from its file.
    An image of that size that shows a digit as the training images do is not changed. Raises ImageError when a drawing is blank.
    """
    if not card.ink:
        return prepare_image(image, card)
    grey = _to_grey(image.image if isinstance(image, DecodedImage) else image)
    if grey.shape == (card.image_size, card.image_size) and _is_normalised(grey, card.ink):
        return grey[..., None]
    normalise = normalise_mnist if card.ink == "mnist" else normalise_ink
    return normalise(grey)[..., None]


def preprocess_file(data: bytes, name: str, card: ModelCard | DataInfo) -> np.ndarray:
    """Return an image file, called `name` in messages, as `preprocess` does, decoded once. Raises ImageError."""
    return preprocess(read_reduced(data, name), card) if card.ink else prepare_file(data, name, card)


def _to_grey(image: Image.Image) -> np.ndarray:
    """Return the image in grey, (H, W) uint8, with sides of at most MAX_SIDE."""
    grey = image.convert("L")
    grey.thumbnail((MAX_SIDE, MAX_SIDE))  # smaller images stay unchanged
    return np.asarray(grey)


def normalise_mnist(grey: np.ndarray) -> np.ndarray:
    """Return the strokes of a grey image (H, W) uint8 as a 28×28 uint8 digit, bright on black, placed as in MNIST."""
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
    """Return the strokes of a grey image (H, W) uint8, light on dark or dark on light, as a 32×32 uint8 digit, bright on black."""
    strokes = _find_ink(grey)
    for _ in range(2):  # thickening moves the outline, so fit and thicken a second time
        strokes = _thicken(_fit(strokes))
    cell = BOX // GRID
    counts = _fit(strokes).reshape(GRID, cell, GRID, cell).mean((1, 3)) * 16
    return enlarge(counts.round())


def _is_normalised(grey: np.ndarray, ink: Ink) -> bool:
    """Whether a digit (S, S) uint8 is on black paper and placed as in the set. Raises ImageError when there is no digit."""
    strokes = _crop_to(_find_ink(grey))
    if np.median(np.concatenate(_border(grey))):
        return False
    if ink != "mnist":
        return len(strokes) >= MIN_HEIGHT * len(grey)
    weights = grey / grey.sum(dtype=np.int64)
    centre = np.array([weights.sum(axis) @ np.arange(MNIST_SIDE) for axis in (0, 1)])
    is_in_the_middle = abs(centre - (MNIST_SIDE - 1) / 2).max() <= MAX_OFFSET
    return bool(is_in_the_middle) and MIN_HEIGHT * MNIST_BOX <= max(strokes.shape) <= MNIST_BOX


def _find_ink(grey: np.ndarray) -> np.ndarray:
    """Return where there is ink, (H, W) bool: beyond half of the contrast between the paper and the darkest stroke."""
    values, paper = grey.astype(np.float64) / 255, _find_paper(grey) / 255
    ink = values - paper if paper < 0.5 else paper - values
    ink[_find_frame(ink > ink.max(initial=0) / 2)] = 0
    if ink.max(initial=0) < MIN_CONTRAST:
        raise ImageError(BLANK)
    strokes: np.ndarray = ink > ink.max() / 2
    return strokes


def _find_paper(grey: np.ndarray) -> float:
    """Return the brightness of the paper, 0 to 255: the median of the most frequent brightnesses."""
    counts = np.bincount(grey.ravel(), minlength=256)
    middle = int(np.convolve(counts, np.ones(2 * PAPER_SPREAD + 1), "same").argmax())
    first = max(0, middle - PAPER_SPREAD)
    window = counts[first : middle + PAPER_SPREAD + 1].cumsum()
    return first + float(np.searchsorted(window, window[-1] / 2))


def _border(values: np.ndarray) -> list[np.ndarray]:
    """Return the outermost values of (H, W): top, bottom, left and right."""
    return [values[0], values[-1], values[:, 0], values[:, -1]]


def _find_frame(strokes: np.ndarray) -> np.ndarray:
    """Return where strokes (H, W) bool are a frame or an edge, as a scanner, a screenshot or a photograph of a sheet on a table leaves it."""
    frame = np.zeros_like(strokes)
    if max(side.mean() for side in _border(strokes)) < MIN_FRAME:
        return frame
    parts, count = label(strokes, np.ones((3, 3)))
    at_border = np.bincount(np.concatenate(_border(parts)), minlength=count + 1)
    at_border[0] = 0  # paper
    for number in np.flatnonzero(at_border >= MIN_FRAME * min(strokes.shape)):
        part = parts == number
        if _is_frame(part):
            frame |= part
    dilated: np.ndarray = binary_dilation(frame, iterations=2)  # with its blurred edge
    return dilated


def _is_frame(part: np.ndarray) -> bool:
    """Whether connected strokes (H, W) bool touch all borders and cover most of them, or cover one and are thin, which no digit does."""
    sides = _border(part)
    if all(side.any() for side in sides) and np.concatenate(sides).mean() >= MIN_FRAME:
        return True
    top, bottom, left, right = (side.mean() >= MIN_EDGE for side in sides)
    is_flat, is_narrow = part.any(1).mean() <= MAX_EDGE, part.any(0).mean() <= MAX_EDGE
    return bool(((top or bottom) and is_flat) or ((left or right) and is_narrow))


def _fit(strokes: np.ndarray) -> np.ndarray:
    """Return the strokes' bounding box scaled to the full height of a BOX×BOX bitmap, in the middle of its width."""
    box = _crop_to(strokes)
    width = round(BOX * min(max(box.shape[1] / box.shape[0], MIN_WIDTH), MAX_WIDTH))
    scaled = Image.fromarray(box.astype(np.uint8) * 255).resize((width, BOX), Image.Resampling.BILINEAR)
    page = Image.new("L", (BOX, BOX))
    page.paste(scaled, ((BOX - width) // 2, 0))
    shades = np.asarray(page)
    fitted: np.ndarray = shades > shades.max() // 2  # relative to the strongest shade: thin lines become grey when scaled down
    return fitted


def _crop_to(strokes: np.ndarray) -> np.ndarray:
    """Return the strokes' bounding box."""
    rows, columns = np.flatnonzero(strokes.any(1)), np.flatnonzero(strokes.any(0))
    return strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thicken(strokes: np.ndarray) -> np.ndarray:
    """Return the strokes thickened or thinned evenly until ink covers INK_FRACTION of the bitmap."""
    distance = distance_transform_edt(~strokes) - distance_transform_edt(strokes)
    thick: np.ndarray = distance <= np.quantile(distance, INK_FRACTION)
    return thick
