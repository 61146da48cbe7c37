"""Images of many megapixels: photographs of phones are read, reduced where they must be, within the memory; others are refused."""

import io
from pathlib import Path

import pytest
from PIL import Image

from cnn_core.data.decoder import MAX_JPEG_PIXELS, MAX_WEBP_PIXELS, REDUCED, TOO_MANY_PIXELS, TOO_MUCH_MEMORY, read_image
from cnn_core.data.image_conversion import convert_image
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import ImageError
from cnn_core.home import Home
from tests.data.corrupted_files import claim_size
from tests.data.imports import good_files, measured_import, write_folder
from tests.data.photographs import encode
from tests.helpers import is_a_sentence


def jpeg_that_claims(width: int, height: int, **options: object) -> bytes:
    """A JPEG whose header claims this size; the rows that it does not have become grey."""
    return claim_size(encode(Image.new("RGB", (64, 48), "red"), "JPEG", **options), width, height)


@pytest.mark.parametrize(("width", "height", "by"), [(8160, 6120, 1), (8192, 6144, 2), (9248, 6936, 2), (12_000, 9000, 2)])
def test_a_large_jpeg_of_a_phone_is_read_and_reduced_where_it_must_be(width: int, height: int, by: int):
    decoded = read_image(jpeg_that_claims(width, height), "phone.jpg")
    assert decoded.size == (width, height) and decoded.image.size == (width // by, height // by)
    reduced = REDUCED.format(was=f"{width:,} × {height:,}", now=f"{width // by:,} × {height // by:,}")
    assert decoded.notes == (() if by == 1 else (reduced,))
    small = read_image(jpeg_that_claims(width, height), "phone.jpg", draft=128)
    assert small.size == (width, height) and small.image.size == (width // 8, height // 8) and small.notes == ()


def test_a_jpeg_beyond_the_limit_or_one_that_takes_too_much_memory_is_refused():
    limit = TOO_MANY_PIXELS.format(millions=MAX_JPEG_PIXELS // 10**6)
    for data, remedy in (
        (jpeg_that_claims(20_000, 9000), limit),
        (jpeg_that_claims(65_535, 65_535), limit),
        (jpeg_that_claims(13_000, 13_000, progressive=True, subsampling=0), TOO_MUCH_MEMORY),
    ):
        with pytest.raises(ImageError) as refusal:
            read_image(data, "phone.jpg", draft=64)
        assert remedy in str(refusal.value) and is_a_sentence(refusal.value)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_photograph_of_108_megapixels_is_imported_within_the_memory(options: dict[str, bool], home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files() | {"cat/phone.jpg": jpeg_that_claims(12_000, 9000, **options)})
    assert measured_import(home, folder).error == ""
    source = ImportedSource(home.set_folder("measured"))
    assert not source.index.count_skipped_files()
    (record,) = source.index.records("path = 'cat/phone.jpg'")
    assert (record.width, record.height) == (12_000, 9000)


def test_the_pixels_of_a_rotated_image_are_kept_once():
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(encode(Image.new("RGB", (20, 10)), "PNG", exif=exif))) as opened:
        assert convert_image(opened, []).size == (10, 20)
        with pytest.raises(ValueError):
            opened.getpixel((0, 0))


def test_a_webp_is_read_up_to_its_own_limit():
    data = encode(Image.new("RGB", (64, 48), "red"), "WEBP", lossless=True)
    with pytest.raises(ImageError) as refusal:
        read_image(claim_size(data, 6000, 5001), "web.webp")
    assert TOO_MANY_PIXELS.format(millions=MAX_WEBP_PIXELS // 10**6) in str(refusal.value)
    plain = Image.new("L", (6000, 5000), 90)
    assert read_image(encode(plain, "WEBP", method=0), "web.webp").image.size == (6000, 5000)
