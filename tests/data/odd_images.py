"""Small images of every odd kind that people have, by file name: each is read alike wherever this program decodes."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.data.profiles import ADOBE_RGB, DISPLAY_P3, grey_profile, rgb_profile

WIDTH, HEIGHT = 30, 20


def odd_images() -> dict[str, bytes]:
    rng = np.random.default_rng(8)
    photo = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    alpha = Image.fromarray(np.linspace(0, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint8))
    light = Image.merge("RGBA", (*Image.new("RGB", photo.size, (250, 250, 240)).split(), alpha))
    clear = Image.merge("RGBA", (*photo.split(), alpha))
    deep = Image.fromarray(rng.integers(15_000, 48_000, (HEIGHT, WIDTH), np.uint16))
    indexed = photo.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    png, jpeg = _encode(photo, "PNG"), _encode(photo, "JPEG", quality=95)
    text = b"zTXt" + b"prompt\0\0" + zlib.compress(bytes(2**21))
    long_text = struct.pack(">L", len(text) - 4) + text + struct.pack(">L", zlib.crc32(text))
    moving = {"save_all": True, "append_images": [photo.rotate(180)]}
    return {
        "deep.png": _encode(deep, "PNG"),
        "deep-rotated.png": _encode(deep, "PNG", exif=exif),
        "bits.png": _encode(photo.convert("1"), "PNG"),
        "indexed.png": _encode(indexed, "PNG", transparency=3),
        "clear.png": _encode(clear, "PNG"),
        "clear-grey.png": _encode(clear.convert("LA"), "PNG"),
        "light.png": _encode(light, "PNG"),
        "light.webp": _encode(light, "WEBP", lossless=True, exact=True),
        "p3.png": _encode(photo, "PNG", icc_profile=rgb_profile(DISPLAY_P3, 2.2)),
        "adobe-clear.png": _encode(clear, "PNG", icc_profile=rgb_profile(ADOBE_RGB, 2.2)),
        "gamma.png": _encode(photo.convert("L"), "PNG", icc_profile=grey_profile(1.8)),
        "broken-profile.png": _encode(photo, "PNG", icc_profile=b"no profile"),
        "xmp.png": _encode(photo, "PNG", pnginfo=xmp),
        "long-text.png": png[:33] + long_text + png[33:],
        "rotated.jpg": _encode(photo, "JPEG", exif=exif),
        "rotated.webp": _encode(photo, "WEBP", exif=exif, lossless=True),
        "p3.jpg": _encode(photo, "JPEG", icc_profile=rgb_profile(DISPLAY_P3, 2.2)),
        "print.jpg": _encode(photo.convert("CMYK"), "JPEG"),
        "without-end.jpg": jpeg[:-2],
        "with-preview.jpg": _encode(photo, "MPO", save_all=True, append_images=[photo.resize((12, 8))]),
        "chrome.jfif": jpeg,
        "twitter.jpg_large": jpeg,
        "crawler": jpeg,
        "moving.gif": _encode(photo, "GIF", **moving),
        "moving.png": _encode(photo, "PNG", **moving),
        "indexed.gif": _encode(indexed, "GIF", transparency=3),
        "plain.bmp": _encode(photo, "BMP"),
        "thin.png": _encode(photo.resize((400, 1)), "PNG"),
        "tall.png": _encode(photo.resize((1, 300)), "PNG"),
    }


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
