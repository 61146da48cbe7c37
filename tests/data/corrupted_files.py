"""Images of every format that is read, and seeded ways to spoil them: bits turned, ends cut off, bytes put in, wrong headers, false sizes."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

Spoiler = Callable[[bytes, np.random.Generator], bytes]
SIDE = 48  # pixels
SIZES = (0, 1, 3, 65_535, 2**24, 2**31 - 1, 2**32 - 1)  # what a header may claim
WHOLE = (7000, 7071, 5000)  # sides that are within the limit, and large


@cache
def valid_files() -> dict[str, bytes]:
    """One valid file of every kind, by name."""
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), np.uint8))
    colour = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    clear = Image.merge("RGBA", (*colour.split(), grey))
    deep = Image.fromarray(rng.integers(0, 65_536, (SIDE, SIDE), np.uint16))
    indexed = colour.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    moving = {"save_all": True, "append_images": [colour.rotate(90), colour.rotate(180)]}
    files = {
        "jpeg": _encode(colour, "JPEG", quality=90),
        "jpeg progressive": _encode(colour, "JPEG", progressive=True),
        "jpeg exif": _encode(colour, "JPEG", exif=exif),
        "jpeg cmyk": _encode(colour.convert("CMYK"), "JPEG"),
        "png": _encode(colour, "PNG"),
        "png exif": _encode(colour, "PNG", exif=exif),
        "png indexed": _encode(indexed, "PNG", transparency=3),
        "png deep": _encode(deep, "PNG"),
        "png alpha": _encode(clear, "PNG"),
        "png bits": _encode(grey.convert("1"), "PNG"),
        "webp": _encode(colour, "WEBP"),
        "webp lossless": _encode(clear, "WEBP", lossless=True),
        "webp moving": _encode(colour, "WEBP", **moving),
        "bmp": _encode(colour, "BMP"),
        "bmp indexed": _encode(indexed, "BMP"),
        "bmp bits": _encode(grey.convert("1"), "BMP"),
        "gif": _encode(indexed, "GIF"),
        "gif clear": _encode(indexed, "GIF", transparency=3),
        "gif moving": _encode(colour, "GIF", **moving),
    }
    return files


def corrupted_files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` files, each a valid one spoiled in one to three ways, with a name that says which. The same seed gives the same files."""
    rng, sound = np.random.default_rng(seed), valid_files()
    names, ways = list(sound), list(SPOILERS)
    for number in range(count):
        name = names[number % len(names)]
        chosen = rng.choice(ways, rng.integers(1, 4))
        data = sound[name]
        for way in chosen:
            data = SPOILERS[way](data, rng)
        if data[:4] == b"\x89PNG" and rng.random() < 0.7:
            data = mend_checksums(data)  # else hardly any damage gets past them
        yield f"{number} {name}: {', '.join(chosen)}", data


def oversized_files() -> Iterator[tuple[str, bytes]]:
    """Every kind with a header that claims a large size within the limit, beyond it, or none at all."""
    for name, data in valid_files().items():
        for width, height in ((7071, 7071), (5000, 4000), (1, 65_000), (65_535, 65_535), (0, 0)):
            yield f"{name} as {width}×{height}", claim_size(data, width, height)


def claim_size(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header, and in those of its frames where they have their own."""
    if data[:4] == b"\x89PNG":
        return mend_checksums(data[:16] + struct.pack(">2L", width, height) + data[24:])
    if data[:3] == b"GIF":
        return data[:6] + struct.pack("<2H", min(width, 65_535), min(height, 65_535)) + data[10:]
    if data[:2] == b"BM":
        return data[:18] + struct.pack("<2l", width, height) + data[26:]
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X":
        return data[:24] + (max(width, 1) - 1).to_bytes(3, "little") + (max(height, 1) - 1).to_bytes(3, "little") + data[30:]
    if data[:4] == b"RIFF" and data[12:16] == b"VP8 ":
        return data[:26] + struct.pack("<2H", width & 0x3FFF, height & 0x3FFF) + data[30:]
    if data[:4] == b"RIFF" and data[12:16] == b"VP8L":
        bits = ((max(width, 1) - 1) & 0x3FFF) | ((max(height, 1) - 1) & 0x3FFF) << 14 | 1 << 28
        return data[:21] + struct.pack("<L", bits) + data[25:]
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        place = data.find(marker)
        if data[:2] == b"\xff\xd8" and place >= 0:
            return data[: place + 5] + struct.pack(">2H", min(height, 65_535), min(width, 65_535)) + data[place + 9 :]
    return data


def mend_checksums(png: bytes) -> bytes:
    """A PNG in which the checksum of every chunk that can still be found is right."""
    out, place = bytearray(png), 8
    while place + 12 <= len(out):
        (length,) = struct.unpack(">L", out[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">L", zlib.crc32(out[place + 4 : end]))
        place = end + 4
    return bytes(out)


def _turn_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for place in rng.integers(0, max(1, len(out)), int(rng.integers(1, 30))):
        if out:
            out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _turn_early_bits(data: bytes, rng: np.random.Generator) -> bytes:
    """In the first 100 bytes, where headers are; those that say the format stay."""
    out = bytearray(data)
    for place in rng.integers(12, 100, 3):
        if place < len(out):
            out[place] = int(rng.integers(256))
    return bytes(out)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def _put_in(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, 300))) + data[place:]


def _take_out(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place + int(rng.integers(1, 60)) :]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place : place + 200] * int(rng.integers(2, 30)) + data[place:]


def _wrong_header(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of a file of another kind."""
    others = list(valid_files().values())
    length = int(rng.integers(3, 60))
    return others[int(rng.integers(len(others)))][:length] + data[length:]


def _claim(data: bytes, rng: np.random.Generator) -> bytes:
    width, height = (int(rng.choice((*SIZES, *WHOLE))) for _ in range(2))
    if data[:2] == b"BM":
        width, height = min(width, 2**31 - 1), min(height, 2**31 - 1)
    try:
        return claim_size(data, width, height)
    except (struct.error, OverflowError):  # more than the format's field can hold
        return claim_size(data, 60_000, 900)


def _large_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes anywhere that say the most."""
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]


SPOILERS: dict[str, Spoiler] = {
    "bits turned": _turn_bits,
    "header bytes changed": _turn_early_bits,
    "cut": _cut,
    "bytes put in": _put_in,
    "bytes taken out": _take_out,
    "repeated": _repeat,
    "wrong header": _wrong_header,
    "another size claimed": _claim,
    "large numbers": _large_numbers,
}


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
