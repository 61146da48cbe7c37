"""The one guarded image decoder: every image from outside comes through here, from disk or from a browser.

In: a path or bytes. Out: an upright 8-bit RGB picture with a sentence for every conversion, or an ImageError with the remedy.
Guards: five formats only, the file's size before it is read, the picture's size before it is decoded, every decoder error caught.
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
from PIL import Image, ImageOps

from cnn_core.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"))
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_WEBP_PIXELS = 20_000_000  # its decoder takes 16 bytes for each, where that of a JPEG takes 4
ROWS = 256  # of a large picture, converted at a time: of all at once there would be several copies
LONGEST = 2048  # pixels, of pictures that are kept reduced
ORIENTATION, TURNED = 0x0112, range(2, 9)  # EXIF tag, and its values for pictures that need turning
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B")
Fit = Literal["crop", "pad", "stretch"]


def _stretch(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    return image.resize(size, method)


FITS = {"crop": ImageOps.fit, "pad": ImageOps.pad, "stretch": _stretch}
# Beyond Pillow's own limit, which is above ours: here a warning would say what the refusal says better.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# What Pillow's decoders raise on files that are not what they claim to be.
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
    """A decoded picture: upright, 8-bit RGB. `notes` says in words what was converted on the way; `size` is the file's own, in pixels,
    and `is_grey` whether it says that it has no colours."""

    image: Image.Image
    notes: tuple[str, ...]
    size: tuple[int, int]
    is_grey: bool


def read_image(source: Path | bytes, name: str, *, draft: int | None = None) -> DecodedImage:
    """Decode `source`; `name` is how messages call it. `draft`: a JPEG may be decoded smaller, though never below this side (pixels).

    Raises ImageError where it is missing, no image, damaged, or too large.
    """
    with _guarded(source, name) as opened:
        return _decode(opened, draft)


def read_reduced(source: Path | bytes, name: str) -> DecodedImage:
    """The same with at most LONGEST pixels on a side, so that many photographs can be kept; a note says so. Raises ImageError."""
    picture = read_image(source, name, draft=LONGEST // 2)
    if max(picture.size) <= LONGEST:
        return picture
    picture.image.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    was, now = (" × ".join(f"{side:,}" for side in size) for size in (picture.size, picture.image.size))
    return replace(picture, notes=(*picture.notes, f"Its {was} pixels were reduced to {now}."))


def to_pixels(image: Image.Image, size: int, channels: int, fit: Fit = "crop") -> np.ndarray:
    """The picture as the network gets it, uint8 (size, size, channels).

    `fit`: its middle square, scaled ("crop"), the whole of it with black bars ("pad"), or the whole of it with its shape changed ("stretch").
    """
    if image.size != (size, size):
        image = FITS[fit](image, (size, size), method=Image.Resampling.BICUBIC)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(size, size, channels)


def read_bytes(source: Path | str | bytes, name: str) -> bytes:
    """The file's bytes, of a regular file and not beyond MAX_BYTES. Raises ImageError."""
    if not isinstance(source, bytes):
        try:
            facts = os.stat(source)
            if not stat.S_ISREG(facts.st_mode):
                raise ImageError(f"{name} cannot be opened: it is not a file. Check the path.")
            if facts.st_size > MAX_BYTES:
                raise ImageError(f"{name} is larger than {MAX_BYTES // 2**20} MB. Save it smaller.")
            with open(source, "rb", buffering=0) as file:
                source = file.read()
        except (FileNotFoundError, ValueError):
            raise ImageError(f"{name} does not exist. Check the path.") from None
        except OSError as error:
            raise ImageError(f"{name} cannot be opened ({error.strerror}). Check the path and its permissions.") from None
    if not source:
        raise ImageError(f"{name} is empty (0 bytes). Save or copy it again.")
    if len(source) > MAX_BYTES:
        raise ImageError(f"{name} is larger than {MAX_BYTES // 2**20} MB. Save it smaller.")
    return source


@contextmanager
def _guarded(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    """The opened, not yet decoded image; whatever goes wrong in the block leaves as an ImageError."""
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
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name} is not an image that can be read. Use JPEG, PNG, WebP, BMP or GIF.") from None
    except Image.DecompressionBombError:
        raise _too_many(name, MAX_PIXELS) from None
    except DECODER_ERRORS:
        raise ImageError(f"{name} is damaged or cut short. Save or copy it again.") from None


def _too_many(name: str, limit: int) -> ImageError:
    return ImageError(f"{name} has more than {limit // 1_000_000} million pixels. Save it smaller.")


def _decode(opened: Image.Image, draft: int | None) -> DecodedImage:
    notes, size = [], opened.size
    if getattr(opened, "is_animated", False):
        notes.append("It is animated: the first frame was used.")
    if draft and max(size) > draft:
        opened.draft("RGB", (draft, draft))
    opened.load()
    image = opened
    try:
        if "exif" in opened.info and opened.getexif().get(ORIENTATION) in TURNED:
            image = ImageOps.exif_transpose(opened)
            notes.append("It was turned upright as its EXIF data says.")
    except DECODER_ERRORS:
        notes.append("Its EXIF data cannot be read, so it was not turned.")
    return DecodedImage(_to_rgb(image, notes), tuple(notes), size, opened.mode in GREY_MODES)


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Any of Pillow's modes as 8-bit RGB, transparent parts on white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        # Pillow's own conversion clips 16-bit values at 255, which turns the picture white.
        notes.append("Its 16-bit values were scaled to 8 bits.")
        return _by_rows(image, _scale_deep)
    if image.mode == "CMYK":
        notes.append("Its print colours (CMYK) were converted to RGB.")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        notes.append("Its transparent parts were put on white.")
        return _by_rows(image, _put_on_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _by_rows(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """An RGB picture of what `convert` makes of some rows at a time."""
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, ROWS):
        whole.paste(convert(image.crop((0, top, image.width, min(top + ROWS, image.height)))), (0, top))
    return whole


def _scale_deep(rows: Image.Image) -> Image.Image:
    deep = np.asarray(rows).astype(np.float64)
    return Image.fromarray((deep.clip(0, 65535) / 257).round().astype(np.uint8), "L").convert("RGB")


def _put_on_white(rows: Image.Image) -> Image.Image:
    clear = rows.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
