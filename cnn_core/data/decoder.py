"""The one guarded image decoder: every image from a disk or a browser is decoded here.

In: a path or bytes. Out: an upright 8-bit RGB image with a sentence for every conversion, or an ImageError with the remedy.
Guards: five formats only, the file's size checked before reading, the image's size before decoding, every decoder error caught.
"""

import io
import os
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_core.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"))
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_WEBP_PIXELS = 20_000_000  # its decoder takes 16 bytes per pixel, a JPEG decoder 4
ROWS = 256  # converted at a time, so that a large image is not copied several times
MAX_SIDE = 2048  # pixels, of images that are reduced
ORIENTATION, ROTATED_VALUES = 0x0112, range(2, 9)  # EXIF tag, and its values for images that need rotating
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B")
UNREADABLE = "is not an image that can be read. Use JPEG, PNG, WebP, BMP or GIF."
DAMAGED = "is damaged or incomplete. Save or copy it again."
EMPTY = "is empty (0 bytes). Save or copy it again."
TOO_LARGE = f"is larger than {MAX_BYTES // 2**20} MB. Save it smaller."
TOO_MANY_PIXELS = "has more than {millions} million pixels. Save it smaller."
CANNOT_OPEN = "cannot be opened ({reason}). Check the path and its permissions."
ON_WHITE = "Its transparent parts were put on white."
FROM_CMYK = "Its print colours (CMYK) were converted to RGB."
FIRST_FRAME = "It is animated: the first frame was used."
ROTATED = "It was rotated according to its EXIF data."
Fit = Literal["crop", "pad", "stretch"]


def _stretch(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    return image.resize(size, method)


FITS: dict[str, Callable[..., Image.Image]] = {"crop": ImageOps.fit, "pad": ImageOps.pad, "stretch": _stretch}
# Pillow's own limit is higher, and it warns instead of raising an error.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
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
    greyscale mode."""

    image: Image.Image
    notes: tuple[str, ...]
    size: tuple[int, int]
    is_grey: bool


def read_image(source: Path | bytes, name: str, *, draft: int | None = None) -> DecodedImage:
    """Decode `source`, called `name` in messages. `draft`: a JPEG may be decoded smaller, though never below this side (pixels).

    Raises ImageError where it is missing, not an image, damaged, or too large.
    """
    with _guarded(source, name) as opened:
        return _decode(opened, draft)


def read_reduced(source: Path | bytes, name: str) -> DecodedImage:
    """Decode `source` and reduce it to at most MAX_SIDE pixels on a side, so that many images fit into memory. Raises ImageError."""
    decoded = read_image(source, name, draft=MAX_SIDE // 2)
    if max(decoded.size) <= MAX_SIDE:
        return decoded
    decoded.image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
    was, now = (" × ".join(f"{side:,}" for side in size) for size in (decoded.size, decoded.image.size))
    return replace(decoded, notes=(*decoded.notes, f"Its {was} pixels were reduced to {now}."))


def to_pixels(image: Image.Image, size: int, channels: int, fit: Fit = "crop") -> np.ndarray:
    """Return the image as the model receives it, uint8 (size, size, channels).

    `fit`: the middle square ("crop"), the whole image with black bars ("pad"), or the whole image stretched to a square ("stretch").
    """
    if image.size != (size, size):
        image = FITS[fit](image, (size, size), method=Image.Resampling.BICUBIC)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(size, size, channels)


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
def _guarded(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    """Open an image without decoding it; every decoder error in the block becomes an ImageError."""
    data = read_bytes(source, name)
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
        with opened:
            limit = MAX_WEBP_PIXELS if opened.format == "WEBP" else MAX_PIXELS
            if opened.width * opened.height > limit:
                raise _too_many(name, limit)
            yield opened
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} {UNREADABLE}") from None
    except Image.DecompressionBombError:
        raise _too_many(name, MAX_PIXELS) from None
    except DECODER_ERRORS:
        raise ImageError(f"{name} {DAMAGED}") from None


def _too_many(name: str, limit: int) -> ImageError:
    return ImageError(f"{name} {TOO_MANY_PIXELS.format(millions=limit // 1_000_000)}")


def _decode(opened: Image.Image, draft: int | None) -> DecodedImage:
    notes: list[str] = []
    size = opened.size
    if getattr(opened, "is_animated", False):
        notes.append(FIRST_FRAME)
    if draft and max(size) > draft:
        opened.draft("RGB", (draft, draft))
    opened.load()
    image: Image.Image = opened
    try:
        if "exif" in opened.info and opened.getexif().get(ORIENTATION) in ROTATED_VALUES:
            image = ImageOps.exif_transpose(opened)
            notes.append(ROTATED)
    except DECODER_ERRORS:
        notes.append("Its EXIF data cannot be read, so it was not rotated.")
    return DecodedImage(_to_rgb(image, notes), tuple(notes), size, opened.mode in GREY_MODES)


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert any of Pillow's modes to 8-bit RGB, transparent parts to white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        # Pillow's own conversion clips 16-bit values at 255, which makes the image white.
        notes.append("Its 16-bit values were scaled to 8 bits.")
        return _by_rows(image, _scale_16_bit)
    if image.mode == "CMYK":
        notes.append(FROM_CMYK)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        notes.append(ON_WHITE)
        return _by_rows(image, _put_on_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _by_rows(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert an image to RGB, some rows at a time."""
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, ROWS):
        whole.paste(convert(image.crop((0, top, image.width, min(top + ROWS, image.height)))), (0, top))
    return whole


def _scale_16_bit(rows: Image.Image) -> Image.Image:
    values = np.asarray(rows).astype(np.float64)
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8), "L").convert("RGB")


def _put_on_white(rows: Image.Image) -> Image.Image:
    transparent = rows.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", transparent.size, "white"), transparent).convert("RGB")
