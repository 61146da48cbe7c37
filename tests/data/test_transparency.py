"""Transparent parts of an image: on white, or on black where the visible part is light; nothing is lost and the note is true."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cnn_core.data.decoder import read_image
from cnn_core.data.image_conversion import ON_BLACK, ON_WHITE
from tests.data.photographs import PHOTO, encode


def drawn(colour: tuple[int, ...], mode: str = "RGBA") -> Image.Image:
    """A disc on transparent paper."""
    image = Image.new("RGBA", (60, 60), (*colour, 0))
    ImageDraw.Draw(image).ellipse((15, 15, 45, 45), fill=(*colour, 255))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("level", [0, 90, 180, 235, 255])
def test_a_light_drawing_on_transparent_paper_lies_on_black_and_stays_visible(level: int, mode: str):
    decoded = read_image(encode(drawn((level,) * 3, mode), "PNG"), "icon.png")
    pixels, paper = np.asarray(decoded.image), 0 if level > 200 else 255
    assert (pixels[0] == paper).all() and (pixels[30, 30] == level).all()
    assert decoded.notes == (ON_WHITE if paper else ON_BLACK,)


def test_dark_strokes_on_light_paper_with_clear_corners_lie_on_white():
    page = Image.new("RGBA", (60, 60), (255, 255, 255, 0))
    draw = ImageDraw.Draw(page)
    draw.rounded_rectangle((0, 0, 59, 59), 12, fill=(255, 255, 255, 255))
    draw.line((20, 12, 20, 48), fill=(0, 0, 0, 255), width=7)
    decoded = read_image(encode(page, "PNG"), "screenshot.png")
    assert (np.asarray(decoded.image)[0] == 255).all() and decoded.notes == (ON_WHITE,)


def test_an_image_with_transparency_that_is_all_opaque_has_no_note():
    for mode in ("RGBA", "LA"):
        decoded = read_image(encode(PHOTO.convert(mode), "PNG"), "icon.png")
        assert decoded.notes == () and np.array_equal(np.asarray(decoded.image), np.asarray(PHOTO.convert(mode).convert("RGB")))


def test_light_entries_of_a_palette_lie_on_black_and_an_image_without_visible_parts_on_white():
    indexed = Image.new("P", (30, 30), 1)
    indexed.putpalette([255, 255, 200, 0, 0, 0])
    indexed.paste(0, (10, 10, 20, 20))
    for kind in ("PNG", "GIF"):
        decoded = read_image(encode(indexed, kind, transparency=1), "sticker")
        assert np.asarray(decoded.image)[15, [2, 15]].tolist() == [[0, 0, 0], [255, 255, 200]]
        assert decoded.notes == (ON_BLACK,)
    assert read_image(encode(Image.new("RGBA", (9, 9)), "PNG"), "clear.png").notes == (ON_WHITE,)


def test_transparent_parts_of_an_rgba_image_lie_on_white():
    pixels = np.zeros((4, 3, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, np.array([0, 64, 128, 255])[:, None]
    decoded = read_image(encode(Image.fromarray(pixels), "PNG"), "logo.png")
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(np.asarray(decoded.image) - expected).max() <= 1
    assert ON_WHITE in decoded.notes


def test_transparent_parts_of_a_grey_image_lie_on_white():
    pixels = np.array([[[0, 255], [0, 0], [100, 255], [100, 0]]], np.uint8)
    decoded = read_image(encode(Image.fromarray(pixels, "LA"), "PNG"), "sketch.png")
    assert np.asarray(decoded.image)[0].tolist() == [[0] * 3, [255] * 3, [100] * 3, [255] * 3]
    assert ON_WHITE in decoded.notes


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_image_shows_its_palettes_colours_and_its_transparent_entry_as_white(kind: str):
    image = Image.fromarray(np.array([[0, 1, 2, 1]] * 4, np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    plain, see_through = (read_image(encode(image, kind, **more), "chart") for more in ({}, {"transparency": 2}))
    assert np.asarray(plain.image)[0].tolist() == [[10, 20, 30], [200, 100, 50], [0, 255, 0], [200, 100, 50]]
    assert plain.notes == ()
    assert np.asarray(see_through.image)[0].tolist() == [[10, 20, 30], [200, 100, 50], [255, 255, 255], [200, 100, 50]]
    assert ON_WHITE in see_through.notes
