"""Images that are not drawings, prepared as a data set prepares its own: the same file becomes the same pixels wherever it is prepared.

In: a file or a decoded image, and the facts of the images that a run receives. Out: a square of pixels. A data set that keeps photographs keeps
them with a limited size and encoded (see `kept_form`), and squares are made of those; another one stores squares of one size, of which others are made.
"""

from typing import Protocol

import numpy as np
from PIL import Image

from cnn_core.data.decoder import DecodedImage, Fit, Interpolation, draft_side, read_image, to_pixels
from cnn_core.data.kept_images import as_kept


class ImageFacts(Protocol):
    """What decides the pixels of an image: a DataInfo or a ModelCard (see there)."""

    @property
    def image_size(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def fit(self) -> Fit: ...
    @property
    def interpolation(self) -> Interpolation: ...
    @property
    def crop_share(self) -> float: ...
    @property
    def kept_side(self) -> int: ...
    @property
    def stored_side(self) -> int: ...


def prepare_file(data: bytes, name: str, facts: ImageFacts) -> np.ndarray:
    """Return the image file `data`, called `name` in messages, as a run with these facts receives it, (S, S, C) uint8. Raises ImageError."""
    return _to_square(read_image(data, name, draft=facts.kept_side or 2 * _stored_side(facts)), facts)


def prepare_image(image: DecodedImage | Image.Image, facts: ImageFacts) -> np.ndarray:
    """Return an image as `prepare_file` does its file; one that was never a file as a lossless file of it. Raises ImageError."""
    if isinstance(image, DecodedImage) and image.data:
        return prepare_file(image.data, "The image", facts)
    return _to_square(image if isinstance(image, DecodedImage) else DecodedImage(image, (), image.size, is_grey=False), facts)


def enlarge_square(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return a stored square (S, S, C) uint8 as one of `side` pixels."""
    return to_pixels(Image.fromarray(pixels.squeeze()), side, pixels.shape[2])


def _stored_side(facts: ImageFacts) -> int:
    return facts.stored_side or facts.image_size


def _to_square(decoded: DecodedImage, facts: ImageFacts) -> np.ndarray:
    size, channels, fit = facts.image_size, facts.channels, facts.fit
    if facts.kept_side:
        kept = as_kept(decoded, facts.kept_side, draft=draft_side(size, facts.crop_share))
        return to_pixels(kept, size, channels, fit, facts.interpolation, facts.crop_share)
    square = to_pixels(decoded.image, _stored_side(facts), channels, fit)
    return enlarge_square(square, size) if facts.stored_side else square
