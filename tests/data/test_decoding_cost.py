"""Files whose decoding would take seconds to hours are refused at once; large and rich files that people have are read."""

import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cnn_core.data import decoding_cost, jpeg_structure, metadata_cost
from cnn_core.data.decoder import TOO_COSTLY, read_image
from cnn_core.data.decoding_cost import MAX_RLE_PIXELS, find_cost
from cnn_core.data.jpeg_structure import MAX_SCANS
from cnn_core.errors import ImageError
from tests.data import costly_images as images
from tests.data import costly_jpegs as jpegs
from tests.data.corrupted_files import corrupted_files, valid_files
from tests.data.costly_images import bmp, chunk, curves_of, profile_with, riff, webp
from tests.data.costly_jpegs import EOI, PROGRESSIVE, SOI, blocks_of, runs, scan, segment, start
from tests.data.odd_images import odd_images
from tests.data.photographs import JPEG, PHOTO, encode
from tests.helpers import is_a_sentence

SECONDS = 2.0  # of processor time: building the files takes longer than refusing them
PNG, GIF, WEBP = encode(PHOTO, "PNG"), encode(PHOTO.quantize(16), "GIF"), encode(PHOTO, "WEBP")


def many_scans(count: int, side: int = 400) -> bytes:
    """A progressive JPEG whose last scan, which changes nothing more, is repeated until it has `count`."""
    whole = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    return whole[:-2] + whole[scans[-1] : -2] * (count - len(scans)) + whole[-2:]


def refining(count: int, width: int) -> bytes:
    """A progressive JPEG with few scans, each of which visits every coefficient of all components."""
    first = scan((1, 2, 3), last=0) + bytes(3 * blocks_of(width, width) // 8 + 1)
    return (
        SOI
        + start(width, width, 3, PROGRESSIVE)
        + first
        + b"".join(scan((1 + n % 3,), 1, 63, 1) + runs(blocks_of(width, width)) for n in range(count))
        + EOI
    )


def gif_with(*extensions: bytes, at_the_end: bool = False) -> bytes:
    """A GIF with extension blocks before its image, or behind it."""
    place = len(GIF) - 1 if at_the_end else 13 + 3 * 2 ** ((GIF[10] & 7) + 1)
    return GIF[:place] + b"".join(extensions) + GIF[place:]


def before(data: bytes, jpeg: bytes = JPEG) -> bytes:
    return jpeg[:2] + data + jpeg[2:]


def in_png(*chunks: bytes) -> bytes:
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def in_pieces(profile: bytes, length: int) -> bytes:
    """A small JPEG with a profile in pieces of that length."""
    pieces = [profile[place : place + length] for place in range(0, len(profile), length)]
    parts = (b"ICC_PROFILE\0" + bytes((n + 1, len(pieces))) + piece for n, piece in enumerate(pieces))
    return jpegs.small(b"".join(segment(0xE2, part) for part in parts))


MATRIX = b"matf\0\0\0\0\0\3\0\3" + struct.pack(">12f", 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
PACKED = zlib.compress(bytes(2**20 - 1))
SLOW: dict[str, tuple[str, Callable[[], bytes]]] = {
    "20,000 scans": (jpeg_structure.TOO_LONG_SCANS, lambda: many_scans(20_000, side=5000)),
    "200 scans of a small image": (jpeg_structure.TOO_MANY_SCANS, lambda: many_scans(200)),
    "60 scans over all coefficients": (jpeg_structure.TOO_LONG_SCANS, lambda: refining(60, 6000)),
    "arithmetic coding of a large image": (
        jpeg_structure.TOO_LONG_SCANS,
        lambda: SOI + start(7000, 7000, 3, 0xCA) + scan((1, 2, 3), last=0) + scan(first=1) * 6 + EOI,
    ),
    "4,000,000 segments": (jpeg_structure.TOO_MANY_SEGMENTS, lambda: before(b"\xff\xe1\0\2" * 4_000_000)),
    "900 EXIF blocks": (
        jpeg_structure.TOO_MANY_SEGMENTS,
        lambda: before((b"\xff\xe1\xff\xff" + b"Exif\0\0".ljust(65_533, b"\0")) * 900),
    ),
    "EXIF data of 2 MB": (metadata_cost.TOO_MUCH_EXIF, lambda: before(segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 32)),
    "60 MB of metadata": (
        jpeg_structure.TOO_LARGE_HEADER,
        lambda: before(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5400) * 900),
    ),
    "frames": (
        jpeg_structure.TOO_MANY_SEGMENTS,
        lambda: before(segment(0xC0, struct.pack(">BHHB", 8, 64, 64, 3) + bytes((1, 17, 0)) * 21_000) * 600),
    ),
    "segments that are not skipped": (jpeg_structure.TOO_MUCH_FILL, lambda: before(segment(0xF0, bytes(65_000)) * 900)),
    "starts of an image": (jpeg_structure.TOO_MUCH_FILL, lambda: before(b"\xff\xd8" * 20_000_000)),
    "fill bytes": (jpeg_structure.TOO_MUCH_FILL, lambda: before(b"\xff" * 50_000_000)),
    "fill bytes before a zero": (jpeg_structure.TOO_MUCH_FILL, lambda: before(b"\xff" * 50_000_000 + b"\0")),
    "fill bytes within a scan": (jpeg_structure.TOO_MUCH_FILL, lambda: JPEG[:-20] + b"\xff" * 50_000_000 + b"\0" + JPEG[-20:]),
    "junk before the scan": (jpeg_structure.TOO_MUCH_FILL, lambda: JPEG[:20] + bytes(50_000_000) + JPEG[20:]),
    "a JPEG of junk only": (jpeg_structure.TOO_MUCH_FILL, lambda: JPEG[:20] + bytes(50_000_000)),
    "a profile of many steps in a JPEG": (
        metadata_cost.TOO_MANY_STEPS,
        lambda: encode(PHOTO, "JPEG", icc_profile=profile_with(MATRIX, 10_000)),
    ),
    "a profile of many steps in a WebP": (
        metadata_cost.TOO_MANY_STEPS,
        lambda: encode(PHOTO, "WEBP", icc_profile=profile_with(MATRIX, 65)),
    ),
    "a profile of many steps in a PNG": (
        metadata_cost.TOO_MANY_STEPS,
        lambda: encode(PHOTO, "PNG", icc_profile=profile_with(MATRIX, 10_000)),
    ),
    "a profile in pieces of a byte": (metadata_cost.TOO_MANY_STEPS, lambda: in_pieces(profile_with(MATRIX, 65)[:250], 1)),
    "a profile of long curves": (metadata_cost.TOO_MANY_STEPS, lambda: in_pieces(profile_with(curves_of(100), 20), 900)),
    "a profile of 15 channels": (
        metadata_cost.TOO_MANY_STEPS,
        lambda: encode(PHOTO, "PNG", icc_profile=profile_with(b"clut\0\0\0\0\0\x0f\0\x0f" + bytes(16), 1)),
    ),
    "empty texts": (decoding_cost.TOO_MANY_CHUNKS, lambda: in_png(chunk(b"tEXt", b"a\0b") * 3_000_000)),
    "profiles": (decoding_cost.TOO_MANY_TEXTS, lambda: in_png(chunk(b"iCCP", b"x\0\0" + PACKED) * 3000)),
    "compressed texts without a key": (decoding_cost.TOO_MANY_TEXTS, lambda: in_png(chunk(b"zTXt", b"\0\0" + PACKED) * 3000)),
    "a text of 20 MB": (
        decoding_cost.TOO_MUCH_TEXT,
        lambda: in_png(chunk(b"iTXt", b"a\0\0\0\0\0" + "😀".encode() + b"a" * 20_000_000)),
    ),
    "EXIF data of 10 MB in a PNG": (
        metadata_cost.TOO_MUCH_EXIF,
        lambda: in_png(chunk(b"eXIf", b"MM\0*\0\0\0\x08" + bytes(10_000_000))),
    ),
    "EXIF data in a PNG's text": (
        metadata_cost.TOO_MUCH_EXIF,
        lambda: in_png(chunk(b"tEXt", b"exif\0MM\0*\0\0\0\x08" + bytes(10_000_000))),
    ),
    "WebP chunks": (
        decoding_cost.TOO_MANY_CHUNKS,
        lambda: webp(riff(b"VP8X", bytes(4) + b"\x27\0\0\x1d\0\0"), WEBP[12:], riff(b"ABCD", b"") * 3_000_000),
    ),
    "EXIF data of 10 MB in a WebP": (
        metadata_cost.TOO_MUCH_EXIF,
        lambda: encode(PHOTO, "WEBP", exif=b"MM\0*\0\0\0\x08" + bytes(10_000_000)),
    ),
    "a GIF's comments": (decoding_cost.TOO_MANY_BLOCKS, lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 100_000 + b"\0")),
    "comments behind a GIF's image": (
        decoding_cost.TOO_MANY_BLOCKS,
        lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 100_000 + b"\0", at_the_end=True),
    ),
    "a GIF's extensions": (decoding_cost.TOO_MANY_BLOCKS, lambda: gif_with(b"\x21\xff" + b"\1a" * 10_000_000 + b"\0")),
    "a GIF's empty extensions": (decoding_cost.TOO_MANY_BLOCKS, lambda: gif_with(b"\x21\1\0" * 10_000_000)),
    "junk in a GIF": (decoding_cost.TOO_MUCH_JUNK, lambda: gif_with(b"\1" * 50_000_000)),
    "a large BMP of runs": (decoding_cost.TOO_MANY_RUNS, lambda: bmp(300, 300, 8, 1, b"\1\1" * 4_000_000)),
    "ends of lines in a BMP": (decoding_cost.TOO_MANY_RUNS, lambda: bmp(7000, 7000, 8, 1, b"\0\0" * 7000)),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_file_that_would_take_too_long_is_refused_at_once(name: str):
    what, make = SLOW[name]
    data = make()
    began = time.process_time()
    with pytest.raises(ImageError) as refusal:
        read_image(data, "slow")
    assert time.process_time() - began < SECONDS
    assert str(refusal.value) == f"slow {TOO_COSTLY.format(what=what)}" and is_a_sentence(refusal.value)


def test_every_limit_is_tested():
    modules = (decoding_cost, jpeg_structure, metadata_cost)
    reasons = {value for module in modules for name, value in vars(module).items() if name.startswith("TOO_")}
    assert {what for what, _ in SLOW.values()} == reasons


PARTS = [segment(0xE2, b"ICC_PROFILE\0" + bytes((n, 30)) + bytes(60_000)) for n in range(1, 31)]
MULTI_PICTURE = segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1" + struct.pack(">HHLL", 0xB001, 4, 1, 1) + bytes(4))
RICH: dict[str, Callable[[], bytes]] = {
    "as many scans as are allowed": lambda: many_scans(MAX_SCANS),
    "a large progressive JPEG with 20 scans": lambda: refining(19, 4000),
    "5 MB of XMP in 1,000 segments": lambda: before(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0".ljust(5200)) * 1000),
    "a profile of 1.8 MB in pieces": lambda: before(b"".join(PARTS)),
    "a maker note of 64 kB": lambda: before(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0".ljust(65_000, b"\0"))),
    "Photoshop's segments": lambda: before(
        segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\0") + segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")
    ),
    "a gain map behind a JPEG": lambda: before(MULTI_PICTURE) + encode(PHOTO.convert("L"), "JPEG", progressive=True) * 40,
    "the bytes of scans in a comment": lambda: encode(PHOTO, "JPEG", comment=b"\xff\xda\0\x08" * 2000),
    "a video behind a JPEG": lambda: JPEG + np.random.default_rng(0).bytes(30_000_000) + b"\xff\xda" * 500,
    "fill bytes behind a JPEG": lambda: JPEG + b"\xff" * 1_000_000,
    "10,000 chunks of a PNG": lambda: in_png(chunk(b"tEXt", b"a\0b") * 10_000),
    "a workflow of 5 MB in a PNG's text": lambda: in_png(chunk(b"tEXt", b"workflow\0" + b"{}" * 2_500_000)),
    "a deep PNG with a profile and EXIF data": lambda: encode(
        Image.fromarray(np.full((20, 20), 30_000, np.uint16)),
        "PNG",
        icc_profile=bytes(500_000),
        exif=b"MM\0*\0\0\0\x08\0\0" + bytes(99_999),
    ),
    "an animation of 500 frames": lambda: encode(
        PHOTO, "WEBP", save_all=True, append_images=[PHOTO.rotate(n % 7) for n in range(1, 500)], lossless=True, method=0
    ),
    "a comment of 100 kB in a GIF": lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 400 + b"\0"),
    "a BMP of runs": lambda: bmp(16, 16, 8, 1, b"".join(bytes((16, row)) + b"\0\0" for row in range(16)) + b"\0\1"),
}


@pytest.mark.parametrize("name", RICH)
def test_a_rich_file_is_read(name: str):
    data = RICH[name]()
    began = time.process_time()
    assert min(read_image(data, "rich").image.size) >= 16
    assert time.process_time() - began < SECONDS


def test_runs_of_a_bmp_are_read_as_they_are():
    image = read_image(RICH["a BMP of runs"](), "runs.bmp").image
    assert np.asarray(image)[:, 3, 2].tolist() == list(range(15, -1, -1)) and MAX_RLE_PIXELS > 16 * 16


def test_no_usual_file_is_refused_and_no_damaged_one_raises_an_error():
    assert not any(map(find_cost, [*valid_files().values(), *odd_images().values()]))
    for _, data in corrupted_files(600, 3):
        find_cost(data)


@pytest.mark.parametrize("kind", ["sparse scans", "tables", "multi-picture index", "GIF frames"])
def test_the_same_seed_builds_the_same_costly_file(kind: str):
    make = (jpegs.COSTLY_JPEGS | images.COSTLY_IMAGES)[kind]
    first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
