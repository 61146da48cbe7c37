"""Small images as HTML: exact pixels, alternative text, and names from outside as text."""

import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from pages.charts.images import image_html, labelled_grid

HOSTILE = '"><script>alert(1)</script><img src=x onerror="alert(2)">'


class Parsed(html.parser.HTMLParser):
    """The tags with their attributes, and the text, as a browser would read them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def pixels_of(image_tag):
    head, _, body = image_tag["src"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3)])
def test_an_image_is_shown_with_its_exact_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (image,) = Parsed(image_html(pixels, "Model input", width=128)).all("img")
    np.testing.assert_array_equal(pixels_of(image), pixels.squeeze())
    assert image["alt"] == "Model input"


def test_small_images_are_enlarged_in_blocks_and_large_ones_are_sent_smaller():
    small = image_html(np.zeros((8, 8, 3), np.uint8), "", width=128)
    assert "image-rendering: pixelated" in small
    large = image_html(Image.new("RGB", (4000, 1000)), "", width=280)
    assert "pixelated" not in large
    assert pixels_of(Parsed(large).all("img")[0]).shape == (140, 560, 3)


def test_showing_an_image_leaves_the_image_as_it_was():
    image = Image.new("RGB", (4000, 1000))
    image_html(image, "", width=280)
    assert image.size == (4000, 1000)


def test_alternative_text_cannot_break_out_of_its_attribute():
    parsed = Parsed(image_html(np.zeros((8, 8, 3), np.uint8), HOSTILE, width=128))
    assert [tag for tag, _ in parsed.tags] == ["img"]
    assert parsed.all("img")[0]["alt"] == HOSTILE


@pytest.mark.parametrize("channels", [1, 3])
def test_labelled_images_are_cards_with_exact_pixels_and_their_name_as_text_and_alternative_text(channels):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, channels), np.uint8)
    parsed = Parsed(labelled_grid(images, ("cat", HOSTILE)))
    assert [image["alt"] for image in parsed.all("img")] == ["cat", HOSTILE]
    for tag, image in zip(parsed.all("img"), images, strict=True):
        np.testing.assert_array_equal(pixels_of(tag), image.squeeze())
    assert not parsed.all("script")
    assert HOSTILE in parsed.text
