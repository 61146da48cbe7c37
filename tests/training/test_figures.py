"""The two figures of a run: real PNGs, also of a single epoch and of very few images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.source import ImageSet
from cnn_core.events import Epoch
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.training.figures import draw_predictions, draw_training_curves


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
