"""Files whose decoding would take seconds to hours are refused at once; large and rich files that people have are read."""

import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import TOO_SLOW, read_image
from cnn_core.data.decoding_cost import MAX_RLE_PIXELS, MAX_SCANS, takes_too_long
from cnn_core.errors import ImageError
from tests.data.corrupted_files import corrupted_files, valid_files
from tests.data.odd_images import odd_images
from tests.data.photographs import JPEG, PHOTO, encode
from tests.helpers import is_a_sentence

SECONDS = 2.0  # of processor time: building the files takes longer than refusing them
PNG, GIF = encode(PHOTO, "PNG"), encode(PHOTO.quantize(16), "GIF")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def many_scans(count: int, side: int = 400) -> bytes:
    """A progressive JPEG whose last scan, which changes nothing more, is repeated until it has `count`."""
    whole = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    return whole[:-2] + whole[scans[-1] : -2] * (count - len(scans)) + whole[-2:]


def gif_with(*extensions: bytes, at_the_end: bool = False) -> bytes:
    """A GIF with extension blocks before its image, or behind it."""
    place = len(GIF) - 1 if at_the_end else 13 + 3 * 2 ** ((GIF[10] & 7) + 1)
    return GIF[:place] + b"".join(extensions) + GIF[place:]


def rle_bmp(side: int, runs: bytes) -> bytes:
    """A BMP compressed by run lengths, with a palette of greys."""
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    header = struct.pack("<LllHHLLllLL", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<LLL", 54 + len(palette) + len(runs), 0, 54 + len(palette)) + header + palette + runs


SLOW = {
    "20,000 scans": lambda: many_scans(20_000, side=5000),
    "4,000,000 segments": lambda: JPEG[:2] + b"\xff\xe1\0\2" * 4_000_000 + JPEG[2:],
    "900 EXIF blocks": lambda: JPEG[:2] + (b"\xff\xe1\xff\xff" + b"Exif\0\0".ljust(65_533, b"\0")) * 900 + JPEG[2:],
    "fill bytes": lambda: JPEG[:2] + b"\xff" * 50_000_000 + JPEG[2:],
    "fill bytes before a zero": lambda: JPEG[:2] + b"\xff" * 50_000_000 + b"\0" + JPEG[2:],
    "junk before the scan": lambda: JPEG[:20] + bytes(50_000_000) + JPEG[20:],
    "a JPEG of junk only": lambda: JPEG[:20] + bytes(50_000_000),
    "empty texts": lambda: PNG[:33] + chunk(b"tEXt", b"a\0b") * 3_000_000 + PNG[33:],
    "profiles": lambda: PNG[:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**20 - 1))) * 3000 + PNG[33:],
    "a GIF's comments": lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 100_000 + b"\0"),
    "comments behind a GIF's image": lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 100_000 + b"\0", at_the_end=True),
    "a GIF's extensions": lambda: gif_with(b"\x21\xff" + b"\1a" * 10_000_000 + b"\0"),
    "junk in a GIF": lambda: gif_with(b"\1" * 50_000_000),
    "a large BMP of runs": lambda: rle_bmp(300, b"\1\1" * 4_000_000),
    "ends of lines in a BMP": lambda: rle_bmp(7000, b"\0\0" * 7000),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_file_that_would_take_too_long_is_refused_at_once(name: str):
    data = SLOW[name]()
    began = time.process_time()
    with pytest.raises(ImageError) as refusal:
        read_image(data, "slow")
    assert time.process_time() - began < SECONDS
    assert str(refusal.value) == f"slow {TOO_SLOW}" and is_a_sentence(refusal.value)


RICH = {
    "as many scans as are allowed": lambda: many_scans(MAX_SCANS),
    "1,000 blocks of XMP": lambda: (
        JPEG[:2] + (b"\xff\xe1\x20\2" + b"http://ns.adobe.com/xmp/extension/\0".ljust(8192)) * 1000 + JPEG[2:]
    ),
    "the bytes of scans in a comment": lambda: encode(PHOTO, "JPEG", comment=b"\xff\xda\0\x08" * 2000),
    "a video behind a JPEG": lambda: JPEG + np.random.default_rng(0).bytes(30_000_000) + b"\xff\xda" * 500,
    "10,000 chunks of a PNG": lambda: PNG[:33] + chunk(b"tEXt", b"a\0b") * 10_000 + PNG[33:],
    "a comment of 100 kB in a GIF": lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 400 + b"\0"),
    "a BMP of runs": lambda: rle_bmp(16, b"".join(bytes((16, row)) + b"\0\0" for row in range(16)) + b"\0\1"),
}


@pytest.mark.parametrize("name", RICH)
def test_a_rich_file_is_read(name: str):
    data = RICH[name]()
    began = time.process_time()
    assert min(read_image(data, "rich").image.size) >= 16
    assert time.process_time() - began < SECONDS


def test_runs_of_a_bmp_are_read_as_they_are():
    image = read_image(RICH["a BMP of runs"](), "runs.bmp").image
    assert np.asarray(image)[:, 3, 0].tolist() == list(range(15, -1, -1)) and MAX_RLE_PIXELS > 16 * 16


def test_no_usual_file_is_refused_and_no_damaged_one_raises_an_error():
    assert not any(map(takes_too_long, [*valid_files().values(), *odd_images().values()]))
    for _, data in corrupted_files(600, 3):
        takes_too_long(data)
