"""The guarded decoder: what is refused and in which words, what is converted and noted, and a fuzz of damaged files."""

import io
import os
import random
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import (
    DAMAGED,
    EMPTY,
    MAX_BYTES,
    MAX_PIXELS,
    TOO_LARGE,
    TOO_MANY_PIXELS,
    UNREADABLE,
    DecodedImage,
    read_image,
)
from cnn_core.data.image_conversion import FIRST_FRAME, FROM_CMYK, ROTATED
from cnn_core.data.image_formats import ICON, PDF, TIFF, as_a_message
from cnn_core.data.image_formats import SVG as SVG_DRAWING
from cnn_core.errors import ImageError
from tests.data.photographs import JPEG, PHOTO, encode
from tests.helpers import is_a_sentence


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG with correct checksums whose header claims this size, and next to no pixels behind it."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 100)),
        (b"IEND", b""),
    )
    parts = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


TOO_MANY = TOO_MANY_PIXELS.format(millions=MAX_PIXELS // 10**6)


REFUSED = {
    "text renamed": (b"Dear diary, this is no image.\n" * 20, UNREADABLE),
    "zero bytes": (b"", EMPTY),
    "half a JPEG": (JPEG[: len(JPEG) // 2], DAMAGED),
    "half a PNG": (encode(PHOTO, "PNG")[:2000], DAMAGED),
    "65,535 pixels a side": (png_that_claims(65_535, 65_535), TOO_MANY),
    "beyond Pillow's warning": (png_that_claims(10_000, 10_000), TOO_MANY),
    "above the limit but fine for Pillow": (png_that_claims(10_000, 5_001), TOO_MANY),
    "few pixels behind an honest header": (png_that_claims(400, 400), DAMAGED),
    "TIFF": (encode(PHOTO, "TIFF"), as_a_message(TIFF)),
    "EPS": (encode(PHOTO, "EPS"), UNREADABLE),
    "SVG": (SVG, as_a_message(SVG_DRAWING)),
    "PDF": (encode(PHOTO, "PDF"), as_a_message(PDF)),
    "ICO": (encode(PHOTO, "ICO"), as_a_message(ICON)),
    "PPM": (encode(PHOTO, "PPM"), UNREADABLE),
}


@pytest.mark.parametrize(("content", "remedy"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_usable_image_is_refused_by_name_and_with_a_remedy(tmp_path: Path, content: bytes, remedy: str):
    (tmp_path / "holiday.png").write_bytes(content)
    for source in (tmp_path / "holiday.png", content):
        with pytest.raises(ImageError) as refusal:
            read_image(source, "holiday.png")
        assert str(refusal.value).startswith("holiday.png ")
        assert remedy in str(refusal.value)
        assert is_a_sentence(refusal.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path):
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(ImageError, match="^gone.png ") as refusal:
            read_image(path, "gone.png")
        assert is_a_sentence(refusal.value)


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(ImageError, match="^a.png "):
        read_image(Path("a\0.png"), "a.png")


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    ended: list[type] = []

    def read() -> None:
        try:
            read_image(tmp_path / "pipe.png", "pipe.png")
        except Exception as error:
            ended.append(type(error))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=30)
    seen = list(ended)
    if reader.is_alive():  # let a reader that waits go, so that it does not outlive the test
        os.close(os.open(tmp_path / "pipe.png", os.O_WRONLY | os.O_NONBLOCK))
        reader.join()
    assert seen == [ImageError]


def test_a_file_above_the_size_limit_is_refused_before_it_is_read(tmp_path: Path):
    (tmp_path / "huge.png").write_bytes(JPEG)
    os.truncate(tmp_path / "huge.png", MAX_BYTES + 1)
    for source in (tmp_path / "huge.png", bytes(MAX_BYTES + 1)):
        with pytest.raises(ImageError, match=f"huge.png {TOO_LARGE}"):
            read_image(source, "huge.png")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "WEBP", "GIF"])
def test_a_plain_image_comes_as_it_is_and_without_a_note(kind: str):
    data = encode(PHOTO, kind, **({"lossless": True} if kind == "WEBP" else {}))
    decoded = read_image(data, "photo")
    assert decoded.notes == ()
    assert decoded.image.mode == "RGB" and decoded.image.size == PHOTO.size
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(np.asarray(decoded.image), reference)
    if kind in ("PNG", "BMP", "WEBP"):
        assert np.array_equal(reference, np.asarray(PHOTO))


def test_a_cmyk_jpeg_shows_the_colours_that_its_inks_mix():
    inks = {(0, 255, 255, 0): (255, 0, 0), (255, 0, 255, 0): (0, 255, 0), (0, 0, 0, 255): (0, 0, 0), (0, 0, 0, 0): (255,) * 3}
    for ink, colour in inks.items():
        decoded = read_image(encode(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95), "print.jpg")
        assert decoded.image.mode == "RGB"
        assert np.abs(np.asarray(decoded.image, int) - colour).max() <= 12
        assert FROM_CMYK in decoded.notes


def test_a_16_bit_grey_image_is_scaled_not_clipped():
    deep = np.linspace(0, 65_535, 64 * 48).reshape(48, 64).round().astype(np.uint16)
    decoded = read_image(encode(Image.fromarray(deep), "PNG"), "scan.png")
    shown = np.asarray(decoded.image)
    assert shown.dtype == np.uint8 and shown.shape == (48, 64, 3)
    assert np.abs(shown[..., 0] - deep / 257).max() <= 0.5
    assert shown.mean() == pytest.approx(127.5, abs=0.5)
    assert any("16-bit" in note for note in decoded.notes)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame_and_says_so(kind: str):
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "blue", "lime")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    decoded = read_image(data, "dance")
    assert np.abs(np.asarray(decoded.image, int) - (255, 0, 0)).max() <= 4
    assert FIRST_FRAME in decoded.notes


def test_previews_in_a_jpeg_and_a_loop_of_one_frame_are_no_animation():
    several = encode(PHOTO, "MPO", save_all=True, append_images=[PHOTO.resize((20, 15))])
    single = [encode(PHOTO, kind, save_all=True, loop=0, duration=100) for kind in ("GIF", "WEBP", "PNG")]
    for data in (several, *single):
        assert read_image(data, "photo").notes == ()


UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: np.rot90,
}


def corners() -> Image.Image:
    """32×16 with a different colour in every quarter, so that each of the eight orientations looks different."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[:8, 16:], pixels[8:, :16], pixels[8:, 16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
    return Image.fromarray(pixels)


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_jpeg_is_turned_upright_as_its_exif_orientation_says(orientation: int):
    data = encode(corners(), "JPEG", quality=100, subsampling=0, exif=with_orientation(orientation))
    decoded = read_image(data, "phone.jpg")
    upright = UPRIGHT[orientation](np.asarray(corners()))
    shown = np.asarray(decoded.image, int)
    assert shown.shape == upright.shape
    assert np.abs(shown - upright).max() <= 6
    assert (ROTATED in decoded.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_means_nothing_turns_nothing_and_notes_nothing(orientation: int):
    decoded = read_image(encode(corners(), "PNG", exif=with_orientation(orientation)), "scan.png")
    assert np.array_equal(np.asarray(decoded.image), np.asarray(corners()))
    assert decoded.notes == ()


def test_a_large_jpeg_may_be_decoded_smaller_but_never_below_the_side_asked_for():
    large = corners().resize((1600, 800), Image.Resampling.NEAREST)
    decoded = read_image(encode(large, "JPEG", exif=with_orientation(6)), "phone.jpg", draft=128)
    width, height = decoded.image.size
    assert (width, height) < (800, 1600) and width >= 128 and height == 2 * width
    expected = np.rot90(np.asarray(corners().resize((height, width), Image.Resampling.NEAREST)), -1)
    assert np.abs(np.asarray(decoded.image, int) - expected).mean() < 6


def test_a_1_bit_image_becomes_black_and_white():
    bits = np.random.default_rng(1).integers(0, 2, (9, 13)).astype(bool)
    decoded = read_image(encode(Image.fromarray(bits), "PNG"), "fax.png")
    assert decoded.image.mode == "RGB"
    assert np.array_equal(np.asarray(decoded.image), np.repeat(bits[..., None] * np.uint8(255), 3, axis=2))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's remarks on damaged EXIF data
def test_two_hundred_damaged_images_are_decoded_or_refused_and_nothing_else():
    rng = random.Random(0)
    options = {"JPEG": {"exif": with_orientation(6)}, "PNG": {"exif": with_orientation(3)}, "WEBP": {}, "BMP": {}, "GIF": {}}
    originals = [encode(PHOTO, kind, **more) for kind, more in options.items()]
    decoded = refused = 0
    for turn in range(200):
        data = bytearray(originals[turn % len(originals)])
        for _ in range(rng.choice([1, 4, 30])):
            reach = rng.choice([60, len(data)])  # headers matter most
            data[rng.randrange(min(reach, len(data)))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        try:
            result = read_image(bytes(data), f"damaged {turn}", draft=rng.choice([None, 16]))
        except ImageError as error:
            assert str(error).startswith(f"damaged {turn} ")
            refused += 1
        else:
            assert isinstance(result, DecodedImage) and result.image.mode == "RGB"
            np.asarray(result.image)
            decoded += 1
    assert decoded > 20 and refused > 20
