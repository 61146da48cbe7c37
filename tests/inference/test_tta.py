"""Test-time augmentation against the arithmetic of the logits of its copies."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.errors import ImageError
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.preprocessing import BLANK, preprocess
from cnn_core.inference.tta import classify_averaged, make_augmented_images
from cnn_core.models.saving import ModelCard, read_card, save_card
from tests.conftest import Trained
from tests.helpers import COLOURS, noisy_image

CPU = torch.device("cpu")


def card(size: int = 32, **chosen: object) -> ModelCard:
    facts = {"model": "simple", "classes": ("a", "b"), "channels": 3, "image_size": size, "fingerprint": ""}
    return ModelCard(**{**facts, "mean": (0.5,) * 3, "std": (0.5,) * 3, **chosen})


def pixels(size: int = 32, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), np.uint8)


def photo() -> Image.Image:
    return noisy_image(COLOURS["green"], (40, 30), np.random.default_rng(1))


def stroke() -> Image.Image:
    image = Image.new("RGB", (120, 90))
    image.paste("white", (40, 20, 60, 70))
    return image


def test_a_photograph_has_ten_views_of_which_five_are_the_others_mirrored():
    views = make_augmented_images(pixels(), card(), may_mirror=True)
    assert views.shape == (10, 32, 32, 3) and len(np.unique(views.reshape(10, -1), axis=0)) == 10
    np.testing.assert_array_equal(views[0], pixels())
    np.testing.assert_array_equal(views[5:], views[:5, :, ::-1])


@pytest.mark.parametrize(("size", "far"), [(8, 1), (32, 2), (224, 14)])
def test_a_photograph_moves_by_a_sixteenth_to_each_corner_and_its_edge_is_mirrored(size: int, far: int):
    original, views = pixels(size), make_augmented_images(pixels(size), card(size), may_mirror=False)
    assert len(views) == 5
    up_left, down_right = views[1], views[4]
    np.testing.assert_array_equal(up_left[:-far, :-far], original[far:, far:])
    np.testing.assert_array_equal(up_left[-far:, :-far], original[-far:, far:][::-1])
    np.testing.assert_array_equal(down_right[far:, far:], original[:-far, :-far])
    np.testing.assert_array_equal(down_right[far:, :far], original[:-far, :far][:, ::-1])


def test_ink_moves_by_one_pixel_on_black_and_is_never_mirrored():
    original = pixels(28, 1)
    views = make_augmented_images(original, card(28, ink="mnist", channels=1), may_mirror=True)
    assert views.shape == (5, 28, 28, 1)
    for view, shift, axis in zip(views[1:], (-1, 1, -1, 1), (0, 0, 1, 1), strict=True):
        expected = np.roll(original, shift, axis)
        edge = [slice(None), slice(None)]
        edge[axis] = 0 if shift > 0 else -1
        expected[tuple(edge)] = 0
        np.testing.assert_array_equal(view, expected)


@pytest.mark.parametrize("may_mirror", [True, False])
def test_the_prediction_is_that_of_the_mean_of_the_views_logits(colours_run: Trained, may_mirror: bool):
    classifier = Classifier(colours_run.folder, CPU)
    averaged = classify_averaged(classifier, photo(), may_mirror=may_mirror)
    seen = preprocess(photo(), classifier.card)
    apart = [classifier.logits(view[None])[0] for view in make_augmented_images(seen, classifier.card, may_mirror=may_mirror)]
    shares = np.exp(np.mean(apart, 0, dtype=np.float64))
    expected = dict(zip(classifier.card.classes, shares / shares.sum(), strict=True))
    assert averaged.copies == len(apart) == (10 if may_mirror else 5)
    assert dict(averaged.prediction.ranked) == pytest.approx(expected, abs=1e-5)
    assert averaged.prediction.ranked[0][0] == "green"
    np.testing.assert_array_equal(averaged.prediction.pixels, seen)


def test_a_model_that_mirrors_by_its_card_averages_the_same_ten_views_and_none_twice(colours_copy: Trained):
    plain = classify_averaged(Classifier(colours_copy.folder, CPU), photo(), may_mirror=True)
    save_card(colours_copy.folder, read_card(colours_copy.folder).model_copy(update={"mirror": True}))
    mirroring = Classifier(colours_copy.folder, CPU)
    assert len(make_augmented_images(preprocess(photo(), mirroring.card), mirroring.card, may_mirror=True)) == 5
    averaged = classify_averaged(mirroring, photo(), may_mirror=True)
    assert averaged.copies == plain.copies == 10
    assert dict(averaged.prediction.ranked) == pytest.approx(dict(plain.prediction.ranked), abs=1e-5)


def test_the_average_is_calibrated_and_has_to_be_sure_as_any_other_prediction(colours_copy: Trained):
    before = classify_averaged(Classifier(colours_copy.folder, CPU), photo(), may_mirror=True).prediction
    save_calibration(colours_copy.folder, Calibration(temperature=16.0, images=10, threshold=0.999))
    after = classify_averaged(Classifier(colours_copy.folder, CPU), photo(), may_mirror=True).prediction
    cooled = {name: share ** (1 / 16) for name, share in before.ranked}
    assert dict(after.ranked) == pytest.approx({name: share / sum(cooled.values()) for name, share in cooled.items()}, abs=1e-4)
    assert before.verdict.is_sure is None and after.verdict.is_sure is False


def test_a_drawn_digit_is_averaged_over_five_views_and_a_blank_page_is_refused(digits_run: Trained):
    classifier = Classifier(digits_run.folder, CPU)
    averaged = classify_averaged(classifier, stroke(), may_mirror=True)
    assert averaged.copies == 5 and averaged.prediction.ranked[0][0] == "1"
    with pytest.raises(ImageError, match=re.escape(BLANK)):
        classify_averaged(classifier, Image.new("RGB", (60, 60)), may_mirror=True)
