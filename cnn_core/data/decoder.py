"""The one guarded image decoder: every image from a disk or a browser is decoded here.

In: a path or bytes. Out: an upright 8-bit RGB image with a sentence for every conversion, or an ImageError with the remedy.
Guards: five formats only, the file's size checked before reading, the time and memory that decoding takes before decoding, every decoder
error caught.
`image_formats` names other formats, `image_conversion` converts, `image_repair` restores files that other programs open as well.
"""

import io
import math
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from cnn_core.data.decoding_cost import find_cost
from cnn_core.data.image_conversion import convert_image, fit_square
from cnn_core.data.image_formats import FORMATS, SVG_BYTES, as_a_message, other_format, suffix_of
from cnn_core.data.image_repair import DECODINGS, components_of_first_scan, repair
from cnn_core.data.kept_form import GREY_MODES, JPEG_START
from cnn_core.errors import ImageError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_WEBP_PIXELS = 30_000_000  # its decoder takes 16 bytes per pixel: 480 MB
MAX_JPEG_PIXELS = 178_956_970  # Pillow's limit
MAX_JPEG_MEMORY = 500_000_000  # bytes; a JPEG that takes more is decoded at a half, a quarter or an eighth of its size
REDUCTIONS = (1, 2, 4, 8)  # that a JPEG decoder offers
MAX_SIDE = 2048  # pixels, of images that are reduced
UNREADABLE = "is not an image that can be read. Use JPEG, PNG, WebP, BMP or GIF."
DAMAGED = "is damaged or incomplete. Save or copy it again."
EMPTY = "is empty. Save or copy it again."
TOO_LARGE = f"is larger than {MAX_BYTES // 2**20} MB. Save it smaller."
TOO_MANY_PIXELS = "has more than {millions} million pixels. Save it smaller."
TOO_MUCH_MEMORY = "needs too much memory to decode. Save it smaller, or as a JPEG that is not progressive."
TOO_COSTLY = "has {what}, so decoding it would take too long or too much memory. Open it and save it again with an image program."
CANNOT_OPEN = "cannot be opened ({reason}). Check the path and its permissions."
REDUCED = "Its {was} pixels were reduced to {now}."
Fit = Literal["crop", "pad", "stretch"]
Interpolation = Literal["bicubic", "bilinear"]

# Pillow's own limit is higher, and it warns instead of raising an error.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Pillow warns of each of up to 65,535 entries of damaged EXIF data, which would fill the log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# The errors of Pillow's decoders on damaged and forged files.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image: upright, 8-bit RGB. `notes`: a sentence for every conversion. `size`: of the file, pixels. `is_grey`: the file has a
    greyscale mode. `data`: the file, empty for an image that was never one."""

    image: Image.Image
    notes: tuple[str, ...]
    size: tuple[int, int]
    is_grey: bool
    data: bytes = field(default=b"", repr=False)


def read_image(source: Path | bytes, name: str, *, draft: int | None = None) -> DecodedImage:
    """Decode `source`, called `name` in messages. `draft`: a JPEG may be decoded smaller, though never below this side (pixels).

    Raises ImageError where it is missing, not an image, damaged, too large, or too expensive to decode.
    """
    data = read_bytes(source, name)
    if what := find_cost(data):
        raise ImageError(f"{name} {TOO_COSTLY.format(what=what)}")
    with _guarded(data, name):
        try:
            return replace(_decode(data, name, draft), data=data)
        except DECODER_ERRORS:
            if find_cost(data, DECODINGS) or (repaired := repair(data)) is None:
                raise
        return replace(_decode(repaired, name, draft), data=data)


def read_reduced(source: Path | bytes, name: str) -> DecodedImage:
    """Decode `source` and reduce it to at most MAX_SIDE pixels on a side, so that many images fit into memory. Raises ImageError."""
    decoded = read_image(source, name, draft=MAX_SIDE // 2)
    if max(decoded.size) <= MAX_SIDE:
        return decoded
    decoded.image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
    return replace(decoded, notes=(*decoded.notes, _note_reduction(decoded.size, decoded.image.size)))


def to_pixels(
    image: Image.Image,
    size: int,
    channels: int,
    fit: Fit = "crop",
    interpolation: Interpolation = "bicubic",
    crop_share: float = 1.0,
) -> np.ndarray:
    """Return the image as the model receives it, uint8 (size, size, channels).

    `fit`: the middle square ("crop"), the whole image with black bars ("pad"), or the whole image stretched to a square ("stretch").
    `interpolation`: of the resizing. `crop_share`: the side of the middle square relative to the short side; 1 is the whole square.
    """
    return np.asarray(fit_square(image, size, channels, fit, interpolation, crop_share)).reshape(size, size, channels)


def draft_side(size: int, crop_share: float) -> int:
    """Return the `draft` with which `read_image` decodes an image for `to_pixels`: twice as many pixels a side as the result has."""
    return math.ceil(2 * size / crop_share)


def read_bytes(source: Path | str | bytes, name: str) -> bytes:
    """Read a regular file of at most MAX_BYTES. Raises ImageError."""
    if not isinstance(source, bytes):
        try:
            facts = os.stat(source)
            if not stat.S_ISREG(facts.st_mode):
                raise ImageError(f"{name} cannot be opened: it is not a file. Check the path.")
            if facts.st_size > MAX_BYTES:
                raise ImageError(f"{name} {TOO_LARGE}")
            with open(source, "rb", buffering=0) as file:
                source = file.read()
        except (FileNotFoundError, ValueError):
            raise ImageError(f"{name} does not exist. Check the path.") from None
        except OSError as error:
            raise ImageError(f"{name} {CANNOT_OPEN.format(reason=error.strerror)}") from None
    if not source:
        raise ImageError(f"{name} {EMPTY}")
    if len(source) > MAX_BYTES:
        raise ImageError(f"{name} {TOO_LARGE}")
    return source


@contextmanager
def _guarded(data: bytes, name: str) -> Iterator[None]:
    """Turn every decoder error in the block into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        other = other_format(data[:SVG_BYTES], suffix_of(name.rstrip("”\"'")))
        raise ImageError(f"{name} {as_a_message(other) if other else UNREADABLE}") from None
    except Image.DecompressionBombError:
        raise _too_many(name, MAX_JPEG_PIXELS if data[:2] == JPEG_START else MAX_PIXELS) from None
    except DECODER_ERRORS:
        raise ImageError(f"{name} {DAMAGED}") from None


def _too_many(name: str, limit: int) -> ImageError:
    return ImageError(f"{name} {TOO_MANY_PIXELS.format(millions=limit // 1_000_000)}")


def _decode(data: bytes, name: str, draft: int | None) -> DecodedImage:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        size, is_jpeg = opened.size, data[:2] == JPEG_START
        limit = MAX_JPEG_PIXELS if is_jpeg else MAX_WEBP_PIXELS if opened.format == "WEBP" else MAX_PIXELS
        if size[0] * size[1] > limit:
            raise _too_many(name, limit)
        notes: list[str] = []
        if is_jpeg:
            _reduce_jpeg(opened, data, name, draft, notes)
        image = convert_image(opened, notes)
        return DecodedImage(image, tuple(notes), size, opened.mode in GREY_MODES)


def _reduce_jpeg(opened: Image.Image, data: bytes, name: str, draft: int | None, notes: list[str]) -> None:
    """Have a JPEG decoded smaller: as `draft` asks, and until it fits into MAX_PIXELS and MAX_JPEG_MEMORY. Raises ImageError if it never does.

    The decoder keeps 4 bytes for each pixel of its result, and of a progressive JPEG 2 bytes for each coefficient of the whole image.
    """
    width, height = size = opened.size
    layers = [across * down for _, across, down, _ in getattr(opened, "layer", ())]
    coefficients = 2 * width * height * sum(layers) / max([1, *layers])
    if (
        coefficients + 4 * width * height > MAX_JPEG_MEMORY
    ):  # only then it matters whether they are kept: that takes a walk over the file
        is_kept = "progressive" in opened.info or components_of_first_scan(data) < len(layers)
        coefficients *= is_kept
    for needed in REDUCTIONS:
        pixels = width * height / needed**2
        if pixels <= MAX_PIXELS and coefficients + 4 * pixels <= MAX_JPEG_MEMORY:
            break
    else:
        raise ImageError(f"{name} {TOO_MUCH_MEMORY}")
    if needed > (max(1, min(width // draft, height // draft)) if draft else 1):
        opened.draft("RGB", (width // needed, height // needed))
        notes.append(_note_reduction(size, opened.size))
    elif draft and max(size) > draft:
        opened.draft("RGB", (draft, draft))


def _note_reduction(was: tuple[int, int], now: tuple[int, int]) -> str:
    before, after = (" × ".join(f"{side:,}" for side in size) for size in (was, now))
    return REDUCED.format(was=before, now=after)
