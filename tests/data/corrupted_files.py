"""Files of every supported image format, and seeded ways to corrupt them: flipped bits, truncation, wrong headers, false sizes."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

Corrupt = Callable[[bytes, np.random.Generator], bytes]
SIDE = 48  # pixels
SIZES = (0, 1, 3, 65_535, 2**24, 2**31 - 1, 2**32 - 1)  # sizes in a header
LARGE = (7000, 7071, 5000)  # large sides within the limit


@cache
def valid_files() -> dict[str, bytes]:
    """Return a valid file of every kind, by name."""
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
    """Yield `count` names and contents: valid files, each corrupted in one to three ways. The same seed gives the same files."""
    rng, valid = np.random.default_rng(seed), valid_files()
    names, ways = list(valid), list(CORRUPTIONS)
    for number in range(count):
        name = names[number % len(names)]
        chosen = rng.choice(ways, rng.integers(1, 4))
        data = valid[name]
        for way in chosen:
            data = CORRUPTIONS[way](data, rng)
        if data[:4] == b"\x89PNG" and rng.random() < 0.7:
            data = repair_checksums(data)  # otherwise hardly any damage would reach the decoder
        yield f"{number} {name}: {', '.join(chosen)}", data


def oversized_files() -> Iterator[tuple[str, bytes]]:
    """Yield a file of every kind whose header gives a large size within the limit, one beyond it, or none."""
    for name, data in valid_files().items():
        for width, height in ((7071, 7071), (5000, 4000), (1, 65_000), (65_535, 65_535), (0, 0)):
            yield f"{name} as {width}×{height}", claim_size(data, width, height)


def claim_size(data: bytes, width: int, height: int) -> bytes:
    """Return the file with another size in its header, and in those of its frames if they have their own."""
    if data[:4] == b"\x89PNG":
        return repair_checksums(data[:16] + struct.pack(">2L", width, height) + data[24:])
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


def repair_checksums(png: bytes) -> bytes:
    """Return the PNG with a correct checksum of every chunk that can still be found."""
    out, place = bytearray(png), 8
    while place + 12 <= len(out):
        (length,) = struct.unpack(">L", out[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">L", zlib.crc32(out[place + 4 : end]))
        place = end + 4
    return bytes(out)


def _flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for place in rng.integers(0, max(1, len(out)), int(rng.integers(1, 30))):
        if out:
            out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _change_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Change bytes among the first 100, where headers are, but not the first 12 with the format."""
    out = bytearray(data)
    for place in rng.integers(12, 100, 3):
        if place < len(out):
            out[place] = int(rng.integers(256))
    return bytes(out)


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, 300))) + data[place:]


def _delete(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place + int(rng.integers(1, 60)) :]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place : place + 200] * int(rng.integers(2, 30)) + data[place:]


def _replace_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace the beginning by that of a file of another kind."""
    others = list(valid_files().values())
    length = int(rng.integers(3, 60))
    return others[int(rng.integers(len(others)))][:length] + data[length:]


def _change_size(data: bytes, rng: np.random.Generator) -> bytes:
    width, height = (int(rng.choice((*SIZES, *LARGE))) for _ in range(2))
    if data[:2] == b"BM":
        width, height = min(width, 2**31 - 1), min(height, 2**31 - 1)
    try:
        return claim_size(data, width, height)
    except (struct.error, OverflowError):  # more than the format's field can hold
        return claim_size(data, 60_000, 900)


def _large_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace four bytes anywhere by the largest number."""
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]


CORRUPTIONS: dict[str, Corrupt] = {
    "flipped bits": _flip_bits,
    "changed header bytes": _change_header,
    "truncated": _truncate,
    "inserted bytes": _insert,
    "deleted bytes": _delete,
    "repeated": _repeat,
    "wrong header": _replace_header,
    "changed size": _change_size,
    "large numbers": _large_numbers,
}


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
