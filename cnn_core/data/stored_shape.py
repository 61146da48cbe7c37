"""How the images of a data set are stored: as squares of one size, or as photographs that every size is made from.

In: the listing of a source, and what a person chose. Out: a StoredShape, from a sample of the images.
"""

from pathlib import Path
from typing import NamedTuple

from cnn_core.data.decoder import Fit, read_image
from cnn_core.data.image_shape import COMMON_SIZE
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.listing import Listing
from cnn_core.data.parallel_decoding import read_file
from cnn_core.errors import ImageError

MIN_SIZE, MAX_SIZE = 16, 224
SAMPLE_SIZE = 200


class StoredShape(NamedTuple):
    """image_size: side of the squares in pixels. channels: 1 grey or 3 colour. kept_side: photographs are kept with up to this long side; the squares
    then serve to compare images. 0: the squares alone are stored."""

    image_size: int
    channels: int
    kept_side: int = 0


def choose_shape(
    source: Path, listing: Listing, image_size: int | None = None, fit: Fit = "crop", colour: str = "auto"
) -> StoredShape:
    """Return how images are stored: as chosen, else as a sample of them shows.

    image_size: of squares, None for the common one of small images, and for photographs as they are. With another fit than "crop", which is
    applied once, squares are stored.
    """
    step = max(1, len(listing.files) // SAMPLE_SIZE)
    sizes: set[tuple[int, int]] = set()
    is_grey = True
    for file in listing.files[::step] if image_size is None or colour == "auto" else ():
        try:
            image = read_image(read_file(source, file.path, file.member), file.path, draft=MAX_SIZE)
        except ImageError:
            continue
        sizes.add(image.size)
        is_grey = is_grey and image.is_grey
    is_small = max((max(size) for size in sizes), default=0) <= COMMON_SIZE
    width, height = sizes.pop() if len(sizes) == 1 else (0, 0)
    common = width if width == height and MIN_SIZE <= width <= COMMON_SIZE else COMMON_SIZE
    keeps = image_size is None and fit == "crop" and not is_small
    channels = 1 if colour == "grey" or (colour == "auto" and is_grey and bool(listing.files)) else 3
    return StoredShape(image_size or common, channels, KEPT_SIDE if keeps else 0)
