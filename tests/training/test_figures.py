"""The two figures of a run: real PNGs, also of a single epoch and of very few images."""

from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

from cnn_core.data.source import ImageSet
from cnn_core.events import Epoch
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.training.figure_fonts import DEFAULT, clear_found_fonts, drawable_labels
from cnn_core.training.figures import draw_predictions, draw_training_curves

PLANTS = ("Plant___Rust_on_lower_leaves (northern variety)", "Plant___Healthy_leaf_seen_from_above (northern variety)")


def epoch(number: int, *, is_best: bool) -> Epoch:
    return Epoch(number, number * 10, 1 / number, 0.5, 2 / number, 0.6, is_best, 1.0 * number, 1.1 * number)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path, formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def has_colour(image: np.ndarray, colour: str) -> bool:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return bool((np.abs(image.astype(int) - (red, green, blue)).max(2) < 55).sum() > 20)


@pytest.mark.parametrize("count", [1, 30])
def test_curves_of_training_and_validation_and_the_best_epoch_are_drawn(tmp_path: Path, count: int):
    draw_training_curves([epoch(number, is_best=number < 4) for number in range(1, count + 1)], tmp_path / "curves.png")
    drawn = pixels(tmp_path / "curves.png")
    assert all(has_colour(drawn, colour) for colour in ("#0072B2", "#D55E00", "#009E73"))


def test_a_wrong_prediction_stands_out_and_a_right_one_does_not(tmp_path: Path):
    images = np.full((3, 8, 8, 1), 200, np.uint8)
    sure = np.array([[0.9, 0.1]] * 3, np.float32)
    for name, labels in (("right", [0, 0, 0]), ("wrong", [0, 1, 0])):
        draw_predictions(
            ImageSet(images, np.array(labels)),
            Evaluation(("cat", "dog"), np.log(sure), np.array(labels)),
            tmp_path / f"{name}.png",
        )
        assert has_colour(pixels(tmp_path / f"{name}.png"), "#D55E00") == (name == "wrong")


# What the garbage collection finds here was left behind by an earlier test.
@pytest.mark.filterwarnings("error", "default::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "names",
    [
        ("日本語", "한국어"),
        ("قطة", "کلب"),
        ("🐱 cat", "🦭"),
        PLANTS,
        ("日本語", "cat"),
        ("$x^2$", "$\\frac{"),
        ("a\ufe0f", "b\u200d"),
    ],
)
def test_names_in_any_script_and_of_any_length_are_drawn_without_a_warning(tmp_path: Path, names: tuple[str, str]):
    images = ImageSet(np.full((2, 8, 8, 3), 200, np.uint8), np.array([0, 1]))
    draw_predictions(
        images, Evaluation(names, np.log(np.array([[0.9, 0.1]] * 2, np.float32)), np.array([0, 1])), tmp_path / "p.png"
    )
    assert pixels(tmp_path / "p.png").shape == (pixels(tmp_path / "p.png").shape[0], 1440, 3)


def test_letters_are_drawn_with_an_installed_font_that_has_them(tmp_path: Path):
    assert drawable_labels(("\U000f0001", "cat"), 17) == (["class 0", "cat"], [DEFAULT], False)
    font_manager.fontManager.addfont(font_with(tmp_path / "private.ttf", "\U000f0001"))
    try:
        clear_found_fonts()
        assert drawable_labels(("\U000f0001", "cat"), 17) == (["\U000f0001", "cat"], [DEFAULT, "Private"], True)
    finally:
        font_manager.fontManager.ttflist.pop()
        clear_found_fonts()


def test_classes_that_would_look_alike_without_their_letters_are_shown_by_number():
    assert drawable_labels(("cat \U000f0002", "cat \U000f0003", "dog \U000f0002"), 17)[0] == ["class 0", "class 1", "dog"]


def font_with(path: Path, letter: str) -> str:
    """Write a TrueType font named Private that has one letter, a square, and return its path."""
    pen = TTGlyphPen(None)
    for number, point in enumerate(((0, 0), (0, 700), (700, 700), (700, 0))):
        (pen.lineTo if number else pen.moveTo)(point)
    pen.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord(letter): "square"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (500, 0), "square": (800, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Private", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, usWeightClass=400)
    font.setupPost()
    font.save(path)
    return str(path)
