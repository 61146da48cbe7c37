"""Files with faults that harm no pixel are read; files that miss pixels are refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import DAMAGED, read_image
from cnn_core.data.image_conversion import TO_SRGB
from cnn_core.errors import ImageError
from tests.data.photographs import PHOTO, encode
from tests.data.profiles import DISPLAY_P3, rgb_profile

SMOOTH = PHOTO.resize((120, 90), Image.Resampling.BICUBIC)


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data) if crc is None else crc)


def png_with(*chunks: bytes, place: int = 33, **options: object) -> bytes:
    """A PNG with chunks behind its header, or before its end (`place` -12)."""
    png = encode(PHOTO, "PNG", **options)
    return png[:place] + b"".join(chunks) + png[place:]


LONG = zlib.compress(bytes(2**21))
HARMLESS = {
    "a long text": chunk(b"zTXt", b"workflow\0\0" + LONG),
    "a long international text": chunk(b"iTXt", b"prompt\0\1\0\0\0" + LONG),
    "a text with a wrong checksum": chunk(b"tEXt", b"Software\0none", crc=1),
    "a profile beyond the limit": chunk(b"iCCP", b"large\0\0" + LONG),
    "a profile that does not unpack": chunk(b"iCCP", b"odd\0\0" + b"no zlib"),
    "a profile with a wrong checksum": chunk(b"iCCP", b"p3\0\0" + zlib.compress(rgb_profile(DISPLAY_P3, 2.2)), crc=1),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_png_is_read_without_texts_and_profiles_that_cannot_be(name: str):
    decoded = read_image(png_with(HARMLESS[name]), "chart.png")
    assert np.array_equal(np.asarray(decoded.image), np.asarray(PHOTO)) and decoded.notes == ()


def test_a_long_text_at_the_end_of_a_png_is_passed_over_too():
    decoded = read_image(png_with(HARMLESS["a long text"], place=-12), "chart.png")
    assert np.array_equal(np.asarray(decoded.image), np.asarray(PHOTO))


def test_a_valid_profile_is_used_though_a_text_is_passed_over():
    profile = rgb_profile(DISPLAY_P3, 2.2)
    odd = png_with(HARMLESS["a long text"], icc_profile=profile)
    assert read_image(odd, "chart.png").notes == (TO_SRGB,)
    assert np.array_equal(*(np.asarray(read_image(data, "x").image) for data in (odd, encode(PHOTO, "PNG", icc_profile=profile))))


def test_a_png_with_missing_rows_is_refused_with_a_long_text_or_without():
    for data in (encode(PHOTO, "PNG"), png_with(HARMLESS["a long text"])):
        with pytest.raises(ImageError, match=DAMAGED):
            read_image(data[:-600], "chart.png")


JPEGS = {
    "baseline": {"quality": 90},
    "without subsampling": {"quality": 100, "subsampling": 0},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_rows": 1},
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_without_its_end_marker_is_read_and_one_without_its_last_rows_is_refused(name: str):
    for image in (SMOOTH, SMOOTH.convert("L")):
        whole = encode(image, "JPEG", **JPEGS[name])
        expected = np.asarray(read_image(whole, "photo.jpg").image)
        for data in (whole[:-2], whole[:-1], whole[:-2] + b"\xff\xff", whole[:-2] + bytes(9)):
            assert np.array_equal(np.asarray(read_image(data, "photo.jpg").image), expected)
        for missing in (20, 40, 200, len(whole) // 3):
            with pytest.raises(ImageError, match=DAMAGED):
                read_image(whole[:-missing], "photo.jpg")


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    whole = encode(SMOOTH, "JPEG", progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for place in scans[1:]:
        with pytest.raises(ImageError, match=DAMAGED):
            read_image(whole[:place], "photo.jpg")
