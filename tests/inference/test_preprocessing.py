"""Preprocessing: drawings become digits like the training images, wherever and however they are drawn."""

import re

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from cnn_core.data.decoder import to_pixels
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import ImageError
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.preprocessing import BLANK, normalise_ink, normalise_mnist, preprocess
from tests.conftest import Trained
from tests.helpers import is_a_sentence

TOP_LEFT, BOTTOM_RIGHT = (5, 5), (215, 215)


@pytest.fixture(scope="module")
def digits(digits_run: Trained) -> ImageSet:
    return finish(open_source("digits", digits_run.home).load("test"))


@pytest.fixture(scope="module")
def classifier(digits_run: Trained) -> Classifier:
    return Classifier(digits_run.folder, torch.device("cpu"))


def photo(digit: np.ndarray, place: tuple[int, int], *, is_dark_on_light: bool) -> Image.Image:
    """A 400×400 colour image with one digit, 180 pixels high, drawn in white on black or in black on white."""
    page = Image.new("L", (400, 400))
    page.paste(Image.fromarray(digit[..., 0]).resize((180, 180), Image.Resampling.BICUBIC), place)
    return (ImageOps.invert(page) if is_dark_on_light else page).convert("RGB")


@pytest.mark.parametrize(
    ("place", "is_dark_on_light"), [(BOTTOM_RIGHT, False), (TOP_LEFT, True)], ids=["white on black", "black on white"]
)
def test_a_large_image_of_a_digit_in_a_corner_is_still_recognised(
    classifier: Classifier, digits: ImageSet, place: tuple[int, int], is_dark_on_light: bool
):
    chosen = range(0, 360, 6)
    right = sum(
        classifier.classify(photo(digits.images[index], place, is_dark_on_light=is_dark_on_light)).ranked[0][0]
        == str(digits.labels[index])
        for index in chosen
    )
    assert len(chosen) == 60 and right >= 54


def drawing(shift: int = 0, width: int = 16) -> Image.Image:
    """A seven in black on white."""
    page = Image.new("RGB", (300, 300), "white")
    points = [(60 + shift, 50 + shift), (180 + shift, 50 + shift), (100 + shift, 220 + shift)]
    ImageDraw.Draw(page).line(points, fill="black", width=width)
    return page


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def test_the_place_of_a_drawing_does_not_matter():
    assert np.array_equal(normalise_ink(grey(drawing())), normalise_ink(grey(drawing(shift=40))))


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """How far apart two digits are on average, in shares of full brightness."""
    return float(np.abs(one.astype(int) - other).mean() / 255)


def test_dark_on_light_and_light_on_dark_are_the_same_drawing():
    assert alike(normalise_ink(grey(drawing())), normalise_ink(255 - grey(drawing()))) < 0.01


def test_faint_pencil_is_as_good_as_ink():
    faint = (255 - (255 - grey(drawing()).astype(int)) * 0.3).astype(np.uint8)
    assert alike(normalise_ink(faint), normalise_ink(grey(drawing()))) < 0.01


@pytest.mark.parametrize("width", [6, 10, 24, 36])
def test_a_thin_pen_and_a_thick_brush_draw_the_same_digit(width: int):
    assert alike(normalise_ink(grey(drawing(width=width))), normalise_ink(grey(drawing()))) < 0.12


@pytest.mark.parametrize(("side", "width"), [(400, 1), (1000, 3), (1000, 30), (3000, 8)])
def test_a_circle_has_a_hole_however_thin_its_line_and_large_its_image(side: int, width: int):
    page = Image.new("L", (side, side), "white")
    ImageDraw.Draw(page).ellipse((side // 5, side // 10, 4 * side // 5, 9 * side // 10), outline="black", width=width)
    digit = normalise_ink(np.asarray(page))
    assert digit[13:19, 14:18].max() < 40  # dark within
    assert digit[:3, 14:18].max() > 128 and digit[-3:, 14:18].max() > 128  # ink above and below
    assert digit[14:18, 3:9].max() > 128 and digit[14:18, 23:29].max() > 128  # and on both sides


def test_a_drawing_fills_the_height_three_quarters_of_the_width_and_as_much_ink_as_training_digits(digits: ImageSet):
    usual = digits.images.mean() / 255
    for width in (8, 16, 32):
        digit = normalise_ink(grey(drawing(width=width)))
        assert digit.shape == (32, 32) and digit.dtype == np.uint8
        assert digit[:3].max() > 128 and digit[-3:].max() > 128
        assert digit[:, :2].max() < 40 and digit[:, -2:].max() < 40
        assert digit.mean() / 255 == pytest.approx(usual, abs=0.06)


def test_a_single_dot_and_a_line_one_pixel_wide_are_drawings_too():
    for rows, columns in ((slice(50, 51), slice(50, 51)), (slice(10, 90), slice(50, 51)), (slice(50, 51), slice(10, 90))):
        page = np.full((100, 100), 255, np.uint8)
        page[rows, columns] = 0
        assert normalise_ink(page).max() > 128


@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_blank_drawing_is_refused_with_a_message(classifier: Classifier, level: int):
    with pytest.raises(ImageError, match=re.escape(BLANK)) as refusal:
        classifier.classify(Image.new("RGB", (200, 150), (level,) * 3))
    assert is_a_sentence(refusal.value)


def test_dust_is_no_drawing():
    rng = np.random.default_rng(0)
    with pytest.raises(ImageError):
        normalise_ink(rng.integers(225, 256, (100, 100)).astype(np.uint8))


def test_a_tiny_and_a_very_wide_image_are_no_problem():
    for shape in ((1, 1), (1, 300), (300, 1), (2, 2)):
        page = np.zeros(shape, np.uint8)
        page[0, shape[1] // 2] = 255
        try:
            assert normalise_ink(page).shape == (32, 32)
        except ImageError as error:
            assert is_a_sentence(error)


def test_an_ink_model_receives_a_centred_digit_and_any_other_the_middle_square(classifier: Classifier, colours_run: Trained):
    page = drawing()
    assert np.array_equal(preprocess(page, classifier.card)[..., 0], normalise_ink(grey(page)))
    photo_card = Classifier(colours_run.folder).card
    assert not photo_card.ink and np.array_equal(preprocess(page, photo_card), to_pixels(page, 16, 3))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_photograph_is_fitted_as_the_training_images_were(colours_run: Trained, fit: str):
    card = Classifier(colours_run.folder).card.model_copy(update={"fit": fit})
    photo = Image.new("RGB", (96, 32), "red")
    photo.paste("blue", (24, 0, 72, 32))  # blue in the middle of red
    pixels = preprocess(photo, card)
    assert np.array_equal(pixels, to_pixels(photo, 16, 3, fit))
    edge, middle, top = pixels[8, 0].tolist(), pixels[8, 8].tolist(), pixels[0, 8].tolist()
    assert middle == [0, 0, 255]
    assert (edge, top) == {
        "crop": ([0, 0, 255], [0, 0, 255]),
        "pad": ([255, 0, 0], [0, 0, 0]),
        "stretch": ([255, 0, 0], [0, 0, 255]),
    }[fit]


def test_a_model_of_mnist_receives_what_mnist_would_have_made_of_a_drawing(colours_run: Trained):
    card = Classifier(colours_run.folder).card.model_copy(update={"ink": "mnist", "image_size": 28, "channels": 1})
    assert np.array_equal(preprocess(drawing(), card)[..., 0], normalise_mnist(grey(drawing())))


@pytest.mark.parametrize("size", [(200, 40), (40, 200), (100, 100)])
def test_an_mnist_digit_is_twenty_pixels_on_its_longer_side_and_its_centre_of_mass_in_the_middle(size: tuple[int, int]):
    page = Image.new("L", (300, 320), "white")
    ImageDraw.Draw(page).polygon([(30, 60), (30 + size[0], 60), (30, 60 + size[1])], fill="black")  # heavier on one side
    digit = normalise_mnist(np.asarray(page))
    assert digit.shape == (28, 28) and digit.dtype == np.uint8
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(height, width) == 20 and height / width == pytest.approx(size[1] / size[0], rel=0.2)
    weights = digit / digit.sum()
    centre = (weights.sum(1) @ np.arange(28), weights.sum(0) @ np.arange(28))
    assert centre == (pytest.approx(13.5, abs=0.51), pytest.approx(13.5, abs=0.51))


def test_of_an_mnist_drawing_neither_the_place_nor_the_colours_matter():
    usual = normalise_mnist(grey(drawing()))
    assert np.array_equal(usual, normalise_mnist(grey(drawing(shift=40))))
    assert alike(usual, normalise_mnist(255 - grey(drawing()))) < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_an_mnist_drawing_may_be_tiny_or_very_narrow(shape: tuple[int, int]):
    page = np.zeros(shape, np.uint8)
    page[0, shape[1] // 2] = 255
    try:
        assert normalise_mnist(page).shape == (28, 28)
    except ImageError as error:
        assert is_a_sentence(error)


@pytest.mark.parametrize("rows, columns", [((50, 51), (50, 51)), ((10, 90), (50, 51)), ((50, 51), (10, 90))])
def test_a_dot_and_a_line_one_pixel_wide_are_mnist_drawings_too(rows: tuple[int, int], columns: tuple[int, int]):
    page = np.full((100, 100), 255, np.uint8)
    page[slice(*rows), slice(*columns)] = 0
    assert normalise_mnist(page).max() > 128


def test_an_image_of_the_set_is_received_as_it_is(classifier: Classifier, digits: ImageSet):
    for pixels in digits.images:
        assert np.array_equal(preprocess(Image.fromarray(pixels[..., 0]).convert("RGB"), classifier.card), pixels)


@pytest.mark.parametrize("paper", [0, 255])
def test_a_image_of_the_models_size_that_is_no_image_of_the_set_is_preprocessed(classifier: Classifier, paper: int):
    page = Image.new("L", (32, 32), paper)
    ImageDraw.Draw(page).line([(4, 4), (12, 16)], fill=255 - paper, width=3)
    pixels = preprocess(page.convert("RGB"), classifier.card)[..., 0]
    assert np.array_equal(pixels, normalise_ink(np.asarray(page)))
    assert pixels[:3].max() > 128 and pixels[-3:].max() > 128


def test_an_image_like_those_of_mnist_is_received_as_it_is(classifier: Classifier):
    card = classifier.card.model_copy(update={"ink": "mnist", "image_size": 28})
    digit = normalise_mnist(grey(drawing()))
    assert np.array_equal(preprocess(Image.fromarray(digit).convert("RGB"), card)[..., 0], digit)
    aside = np.roll(digit, 4, axis=1)
    assert np.array_equal(preprocess(Image.fromarray(aside).convert("RGB"), card)[..., 0], normalise_mnist(aside))
    assert alike(normalise_mnist(aside), digit) < alike(aside, digit)


def framed(page: np.ndarray, width: int, level: int, gaps: int = 0) -> np.ndarray:
    """A page with a border of `width` pixels around it, as a scanner or a screenshot leaves it; `gaps`: pixels missing at each corner."""
    whole = np.pad(page, width, constant_values=level)
    for rows in (slice(0, gaps), slice(-gaps or len(whole), None)):
        whole[rows, :gaps] = page[0, 0]
    return whole


@pytest.mark.parametrize(("width", "level"), [(1, 0), (6, 0), (20, 60), (6, 128)])
@pytest.mark.parametrize("normalise", [normalise_ink, normalise_mnist])
def test_a_frame_around_a_drawing_is_no_stroke(normalise, width: int, level: int):
    usual = normalise(grey(drawing()))
    assert alike(usual, normalise(framed(grey(drawing()), width, level))) < 0.02
    assert alike(usual, normalise(framed(255 - grey(drawing()), width, 255 - level))) < 0.02
    assert alike(usual, normalise(framed(grey(drawing()), width, level, gaps=width))) < 0.02


@pytest.mark.parametrize(
    "sides", [((9, 0), (0, 0)), ((0, 9), (0, 0)), ((0, 0), (9, 0)), ((0, 0), (0, 9)), ((9, 0), (9, 0)), ((0, 0), (9, 9))]
)
def test_a_dark_edge_at_some_sides_of_a_drawing_is_no_stroke(sides: tuple[tuple[int, int], tuple[int, int]]):
    usual = normalise_mnist(grey(drawing()))
    assert alike(usual, normalise_mnist(np.pad(grey(drawing()), sides, constant_values=20))) < 0.02


def test_the_bar_of_a_digit_that_is_cut_out_tightly_is_no_edge():
    seven = Image.new("L", (60, 100), "white")
    ImageDraw.Draw(seven).line([(0, 5), (55, 5), (20, 99)], fill="black", width=11)
    padded = np.pad(np.asarray(seven), 40, constant_values=255)
    assert alike(normalise_mnist(np.asarray(seven)), normalise_mnist(padded)) < 0.02


def test_an_empty_page_with_a_frame_is_blank():
    with pytest.raises(ImageError, match=re.escape(BLANK)):
        normalise_ink(framed(np.full((100, 100), 255, np.uint8), 5, 0))


def test_a_drawing_that_is_cut_out_tightly_touches_all_borders_and_stays():
    page = grey(drawing())
    rows, columns = np.flatnonzero((page < 128).any(1)), np.flatnonzero((page < 128).any(0))
    tight = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert alike(normalise_mnist(page), normalise_mnist(tight)) < 0.02
