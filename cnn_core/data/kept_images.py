"""The photographs of a data set as they are kept: encoded, at most KEPT_SIDE pixels on the long side, in one file.

In: decoded images while a data set is imported. Out: encoded images by row, later decoded at any size. On 398 photographs of ants and bees an
encoded image takes a tenth of the disk space of its pixels, and is decoded in 1.5 ms (see benchmarks/resolution.py).
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from cnn_core.data.decoder import DecodedImage, draft_side, read_image, to_pixels
from cnn_core.data.source import DataInfo
from cnn_core.errors import DataError, ImageError
from cnn_core.home import KEPT

KEPT_SIDE = 512  # pixels
QUALITY = 95  # of JPEG, with full colour resolution: an error of about one level at 224 pixels
JPEG_START = b"\xff\xd8"
DAMAGED = "Data set “{name}” is damaged: its images cannot be read. Remove it and import it again."


def encode(decoded: DecodedImage, data: bytes) -> tuple[bytes, Image.Image]:
    """Return the image encoded as it is kept, and as pixels. `data`: the file that it was decoded from.

    A JPEG that needs no conversion stays the same to the byte; other images that are not reduced are encoded without loss.
    """
    image = decoded.image
    if max(image.size) > KEPT_SIDE:
        image = image.copy()
        image.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BICUBIC)
    elif (
        data[:2] == JPEG_START
        and not decoded.notes
        and max(decoded.size) <= KEPT_SIDE
        and len(data) <= image.width * image.height
    ):
        return data, image
    out = io.BytesIO()
    small = image.convert("L") if decoded.is_grey else image
    if data[:2] == JPEG_START or max(decoded.size) > KEPT_SIDE:
        small.save(out, "JPEG", quality=QUALITY, subsampling=0)
    else:
        small.save(out, "WEBP", lossless=True, method=0, quality=20)
    return out.getvalue(), image


class KeptImages:
    """The kept images of the data set in `folder`. `places`: start and length in bytes by row, from its index."""

    def __init__(self, folder: Path, places: dict[int, tuple[int, int]]) -> None:
        self._folder, self._places = folder, places

    def image(self, row: int, *, draft: int | None = None) -> Image.Image:
        """Decode the image at `row`; `draft`: see `read_image`. Raises DataError where it cannot be read."""
        start, length = self._places.get(row, (0, 0))
        try:
            with (self._folder / KEPT).open("rb") as file:
                file.seek(start)
                return read_image(file.read(length), f"image {row}", draft=draft).image
        except (OSError, ImageError):
            raise DataError(DAMAGED.format(name=self._folder.name)) from None

    def pixels(self, row: int, info: DataInfo) -> np.ndarray:
        """Return the image at `row` as a square of the shape that `info` states, (S, S, C) uint8. Raises DataError where it cannot be read."""
        image = self.image(row, draft=draft_side(info.image_size, info.crop_share))
        return to_pixels(image, info.image_size, info.channels, info.fit, info.interpolation, info.crop_share)


def append_images(folder: Path, encoded: Iterable[tuple[int, bytes]]) -> list[tuple[int, int, int]]:
    """Append encoded images by row to the file of the data set in `folder`; return (row, start, length) of each. Raises OSError."""
    places = []
    with (folder / KEPT).open("ab") as file:
        for row, data in encoded:
            places.append((row, file.tell(), len(data)))
            file.write(data)
    return places
