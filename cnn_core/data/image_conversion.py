"""From an opened image of any mode to upright 8-bit sRGB, and from there to the model's square.

In: an image that Pillow has opened. Out: an RGB image, and a sentence for every conversion. Exported training scripts contain this code
(see `export.source_code`), so it uses only Pillow and numpy.
"""

import io
import struct
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageOps

STRIP_PIXELS = 2**20  # converted at a time, so that a large image is not copied several times
ORIENTATION, ROTATED_VALUES = 0x0112, range(2, 9)  # EXIF tag, and its values for images that need rotating
LIGHT, MAX_DARK = 200, 0.05  # luminance of 255 that is hardly seen on white; fraction of the visible part that may be darker
SAME_COLOUR = 2  # levels: profiles that change no colour by more are sRGB
PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
ON_WHITE = "Its transparent parts were put on white."
ON_BLACK = "Its transparent parts were put on black, because its visible parts are light."
FROM_CMYK = "Its print colours (CMYK) were converted to RGB."
TO_SRGB = "Its colours were converted to sRGB from its colour profile."
FIRST_FRAME = "It is animated: the first frame was used."
ROTATED = "It was rotated according to its EXIF data."
NOT_ROTATED = "Its EXIF data cannot be read, so it was not rotated."
FROM_16_BIT = "Its 16-bit values were scaled to 8 bits."
EXIF_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
)  # of damaged EXIF data


def convert_image(opened: Image.Image, notes: list[str]) -> Image.Image:
    """Decode an opened image and return it upright, 8-bit RGB in sRGB, without transparency. A sentence for every conversion joins `notes`."""
    if opened.format in ("GIF", "PNG", "WEBP") and getattr(opened, "is_animated", False):  # a JPEG with previews is not
        notes.append(FIRST_FRAME)
    opened.load()
    profile = opened.info.get("icc_profile")
    image = rotate_upright(opened, notes)
    if image is not opened:
        opened.close()  # frees its pixels, which a rotated image has again
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        # Pillow's own conversion clips 16-bit values at 255, which makes the image white.
        notes.append(FROM_16_BIT)
        image = convert_strips(image, scale_16_bit, "L")
    if image.mode == "CMYK":
        notes.append(FROM_CMYK)
    colour_mode = "L" if image.mode in ("1", "L", "LA") else "CMYK" if image.mode == "CMYK" else "RGB"
    transform = to_srgb(profile, colour_mode) if profile else None
    if transform:
        notes.append(TO_SRGB)
    background = choose_background(image)
    if background:
        notes.append(ON_WHITE if background == "white" else ON_BLACK)

    def convert(strip: Image.Image) -> Image.Image:
        full = strip.convert("RGBA") if background or "transparency" in strip.info else strip
        colours = transform.apply(full.convert(colour_mode)) if transform else full.convert("RGB")
        if not background:
            return colours
        colours.putalpha(full.getchannel("A"))
        return Image.alpha_composite(Image.new("RGBA", strip.size, background), colours).convert("RGB")

    is_rgb = image.mode == "RGB" and not transform and not background
    return image if is_rgb else convert_strips(image, convert, "RGB")


def rotate_upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return the image rotated as its EXIF data says; an orientation elsewhere is ignored, as browsers do."""
    try:
        if "exif" in image.info and image.getexif().get(ORIENTATION) in ROTATED_VALUES:
            rotated = ImageOps.exif_transpose(image)
            notes.append(ROTATED)
            return rotated
    except EXIF_ERRORS:
        notes.append(NOT_ROTATED)
    return image


def convert_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image], mode: str) -> Image.Image:
    """Return the image in another mode, converted some rows at a time."""
    if image.width * image.height <= STRIP_PIXELS:
        return convert(image)
    whole, rows = Image.new(mode, image.size), max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        whole.paste(convert(image.crop((0, top, image.width, min(top + rows, image.height)))), (0, top))
    return whole


def scale_16_bit(strip: Image.Image) -> Image.Image:
    """Return 16-bit values in 8 bits."""
    values = np.asarray(strip).astype(np.float64)
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))


def choose_background(image: Image.Image) -> str:
    """Return the colour under the transparent parts: black where the visible part is light, else white; "" where nothing is transparent."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return ""
    dark = visible = 0.0
    is_opaque = True
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height))).convert("RGBA")
        alpha = np.asarray(strip.getchannel("A")).astype(np.float32)
        is_opaque = is_opaque and alpha.min() == 255
        dark += float(alpha[np.asarray(strip.convert("L")) < LIGHT].sum(dtype=np.float64))
        visible += float(alpha.sum(dtype=np.float64))
    return "" if is_opaque else "black" if visible and dark <= MAX_DARK * visible else "white"


@lru_cache(maxsize=8)
def to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion of images of `mode` from an ICC profile to sRGB (relative colorimetric), None for sRGB and for a broken profile."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != PROFILE_SPACES[mode]:
            return None
        target, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, target, mode, "RGB", intent)
        if mode != "CMYK":
            levels = np.arange(0, 256, 15, dtype=np.uint8)
            grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, len(levels), 3)
            probe = Image.fromarray(grid if mode == "RGB" else grid[..., 0])
            changed = np.asarray(transform.apply(probe), np.int64) - np.asarray(probe.convert("RGB"), np.int64)
            if abs(changed).max() <= SAME_COLOUR:
                return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return transform


def pad_to(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """Return the whole image with black bars; of a thin image at least one row or column of pixels remains."""
    scale = min(size[0] / image.width, size[1] / image.height)
    width, height = round(image.width * scale), round(image.height * scale)
    if not (width and height):
        image = image.resize((max(1, width), max(1, height)), method)
    return ImageOps.pad(image, size, method)


def stretch_to(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """Return the whole image, stretched."""
    return image.resize(size, method)


FITS: dict[str, Callable[..., Image.Image]] = {"crop": ImageOps.fit, "pad": pad_to, "stretch": stretch_to}


def fit_square(
    image: Image.Image, size: int, channels: int, fit: str, interpolation: str = "bicubic", crop_share: float = 1.0
) -> Image.Image:
    """Return the image as a square of `size` pixels, grey for 1 channel, RGB for 3: a central square ("crop"), the whole image with
    black bars ("pad"), or the whole image stretched ("stretch"). An image of that size stays as it is.

    crop_share: the side of the central square, relative to the short side of the image. interpolation: "bicubic" or "bilinear".
    """
    if image.size != (size, size):
        border = {"bleed": (1 - crop_share) / 2} if fit == "crop" else {}
        image = FITS[fit](image, (size, size), Image.Resampling[interpolation.upper()], **border)
    return image.convert("L" if channels == 1 else "RGB")
