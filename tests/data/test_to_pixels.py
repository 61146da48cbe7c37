"""From a decoded image to the square that the model gets, and what is known of its file."""

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import read_image, to_pixels
from tests.data.photographs import encode, noise


def test_the_network_gets_the_middle_square_of_a_wide_image():
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:40], pixels[:, 40:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    middle = to_pixels(Image.fromarray(pixels), 20, 3)
    assert middle.shape == (20, 20, 3) and (middle == (0, 255, 0)).all()
    assert to_pixels(Image.fromarray(pixels).rotate(90, expand=True), 8, 3).shape == (8, 8, 3)


def test_an_image_of_the_right_size_reaches_the_network_unchanged():
    square = noise(32, 32)
    assert np.array_equal(to_pixels(square, 32, 3), np.asarray(square))


def test_a_grey_network_gets_the_luminance():
    square = noise(32, 32)
    luminance = np.asarray(square) @ (0.299, 0.587, 0.114)
    grey = to_pixels(square, 32, 1)
    assert grey.shape == (32, 32, 1)
    assert np.abs(grey[..., 0] - luminance).max() <= 1


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (20, 20), (7, 5)])
def test_an_image_is_cropped_padded_or_stretched_to_the_same_square(shape: tuple[int, int]):
    width, height = shape
    white = Image.new("RGB", shape, "white")
    filled = {fit: to_pixels(white, 24, 3, fit) for fit in ("crop", "pad", "stretch")}
    assert all(pixels.shape == (24, 24, 3) and pixels.dtype == np.uint8 for pixels in filled.values())
    assert (filled["crop"] == 255).all() and (filled["stretch"] == 255).all()
    bars = 1 - min(shape) / max(shape)
    assert (filled["pad"] == 0).mean() == pytest.approx(bars, abs=1 / 12)
    assert (filled["pad"][0, 12] == 0).all() == (width > height) and (filled["pad"][12, 0] == 0).all() == (width < height)
    assert np.array_equal(to_pixels(white, 24, 3), filled["crop"])


def test_an_image_tells_the_files_own_size_also_when_it_was_read_smaller():
    large = noise(400, 300)
    for draft in (None, 40):
        assert read_image(encode(large, "JPEG"), "photo.jpg", draft=draft).size == (400, 300)


@pytest.mark.parametrize(
    ("mode", "kind", "is_grey"),
    [
        ("L", "PNG", True),
        ("1", "PNG", True),
        ("LA", "PNG", True),
        ("I;16", "PNG", True),
        ("L", "JPEG", True),
        ("RGB", "PNG", False),
        ("RGB", "JPEG", False),
        ("P", "GIF", False),
    ],
)
def test_an_image_tells_whether_its_file_says_that_it_has_no_colours(mode: str, kind: str, is_grey: bool):
    image = Image.new("I;16", (20, 20), 9000) if mode == "I;16" else noise(20, 20).convert(mode)
    assert read_image(encode(image, kind), "image").is_grey == is_grey


@pytest.mark.parametrize("shape", [(400, 1), (1, 400), (400, 3), (65, 1), (1, 30_000)])
def test_of_a_thin_image_that_is_padded_at_least_one_row_or_column_remains(shape: tuple[int, int]):
    pixels = to_pixels(Image.new("RGB", shape, "red"), 32, 3, "pad")
    is_red = (pixels == (255, 0, 0)).all(2)
    assert is_red.sum() == 32 and (is_red.any(0).all() or is_red.any(1).all())
    assert (pixels[~is_red] == 0).all()
