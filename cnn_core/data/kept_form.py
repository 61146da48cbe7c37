"""The form in which a photograph is kept: upright, with a limited long side, and as a JPEG if it was one or is reduced.

In: a decoded photograph with the facts of its file. Out: the JPEG that is kept. Exported training scripts contain this code (see
`export.source_code`), so it uses only Pillow.
"""

import io

from PIL import Image

QUALITY = 95  # of JPEG, with full colour resolution: an error of about one level at 224 pixels
JPEG_START = b"\xff\xd8"
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B")


def reduce_to(image: Image.Image, side: int) -> Image.Image:
    """Return the image with at most `side` pixels on its long side, in its proportions."""
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return image


def to_kept_jpeg(
    image: Image.Image, data: bytes, side: int, size: tuple[int, int], *, is_grey: bool, is_converted: bool
) -> bytes | None:
    """Return a reduced image as the JPEG that is kept of it; None for an image that is kept without loss.

    `data` is its file, `size` the file's width and height, `side` the limit. A JPEG within it that needs no conversion stays the same to the byte.
    """
    is_jpeg, is_reduced = data[:2] == JPEG_START, max(size) > side
    if not is_jpeg and not is_reduced:
        return None
    if is_jpeg and not is_reduced and not is_converted and len(data) <= image.width * image.height:
        return data
    out = io.BytesIO()
    (image.convert("L") if is_grey else image).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()
