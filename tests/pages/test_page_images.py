"""Small images as HTML: the very pixels, with alternative text, and every name from outside as text."""

import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from cnn_core.analysis.evaluation import Evaluation
from pages.ui.images import labelled_grid, picture_html, prediction_grid

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


def evaluation(*names):
    """Three test images: right, wrong, right."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    return Evaluation(names, np.log(probabilities), np.array([0, 1, 1]))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3)])
def test_a_picture_is_shown_with_its_very_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (image,) = Parsed(picture_html(pixels, "What the network received", width=128)).all("img")
    np.testing.assert_array_equal(pixels_of(image), pixels.squeeze())
    assert image["alt"] == "What the network received"


def test_small_pictures_are_enlarged_in_blocks_and_large_ones_are_sent_smaller():
    small = picture_html(np.zeros((8, 8, 3), np.uint8), "", width=128)
    assert "image-rendering: pixelated" in small
    large = picture_html(Image.new("RGB", (4000, 1000)), "", width=280)
    assert "pixelated" not in large
    assert pixels_of(Parsed(large).all("img")[0]).shape == (140, 560, 3)


def test_showing_a_picture_leaves_the_picture_as_it_was():
    picture = Image.new("RGB", (4000, 1000))
    picture_html(picture, "", width=280)
    assert picture.size == (4000, 1000)


def test_alternative_text_cannot_break_out_of_its_attribute():
    parsed = Parsed(picture_html(np.zeros((8, 8, 3), np.uint8), HOSTILE, width=128))
    assert [tag for tag, _ in parsed.tags] == ["img"]
    assert parsed.all("img")[0]["alt"] == HOSTILE


def test_the_grid_shows_each_chosen_image_with_what_was_said_and_what_is_true():
    images = np.stack([np.full((8, 8, 1), shade, np.uint8) for shade in (10, 20, 30)])
    parsed = Parsed(prediction_grid(images, evaluation("cat", "dog"), np.array([0, 1, 2])))
    assert [figure["class"] for figure in parsed.all("figure")] == ["right", "wrong", "right"]
    assert [pixels_of(image)[0, 0] for image in parsed.all("img")] == [10, 20, 30]
    assert [image["alt"] for image in parsed.all("img")] == [
        "Test image 0: predicted cat, true class cat",
        "Test image 1: predicted cat, true class dog",
        "Test image 2: predicted dog, true class dog",
    ]
    said = " ".join(parsed.text)
    assert "90%" in said and "80%" in said and "70%" in said
    assert said.count("✓ right") == 2 and said.count("✗ is dog") == 1


def test_the_grid_pairs_images_with_their_own_predictions_when_only_some_are_shown():
    images = np.full((1, 8, 8, 1), 20, np.uint8)
    parsed = Parsed(prediction_grid(images, evaluation("cat", "dog"), np.array([1])))
    assert [image["alt"] for image in parsed.all("img")] == ["Test image 1: predicted cat, true class dog"]


def test_class_names_in_the_grid_cannot_become_markup():
    images = np.zeros((3, 8, 8, 1), np.uint8)
    parsed = Parsed(prediction_grid(images, evaluation(HOSTILE, "dog"), np.arange(3)))
    assert not parsed.all("script")
    assert len(parsed.all("img")) == 3
    assert all("onerror" not in image for image in parsed.all("img"))
    assert HOSTILE in parsed.text


@pytest.mark.parametrize("channels", [1, 3])
def test_labelled_images_are_cards_with_their_very_pixels_and_their_name_as_text_and_alternative(channels):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, channels), np.uint8)
    parsed = Parsed(labelled_grid(images, ("cat", HOSTILE)))
    assert [image["alt"] for image in parsed.all("img")] == ["cat", HOSTILE]
    for tag, image in zip(parsed.all("img"), images, strict=True):
        np.testing.assert_array_equal(pixels_of(tag), image.squeeze())
    assert not parsed.all("script")
    assert HOSTILE in parsed.text
