"""The augmentations in use: exactly those that are switched on, in their order and with their strengths."""

from pathlib import Path
from typing import Any

import pytest

from cnn_core.data.mixing import CutMix, MixEither, MixUp
from cnn_core.training.augmentation import (
    AlternatingFlip,
    Brightness,
    Contrast,
    Cutout,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    make_augmentations,
    make_mixing,
)
from cnn_core.training.photo_augmentation import ColourJitter, RandomResizedCrop, TrivialAugment
from tests.helpers import tiny_config

MEAN = (0.5, 0.25, 1.0)
OFF = {"crop": 0, "flip": "off"}
EVERYTHING = {"rotation": 20, "scale": 0.1, "shear": 5, "crop": 0.25, "crop_fill": "reflect", "flip": "alternating"}
EVERYTHING |= {"brightness": 0.1, "contrast": 0.2, "cutout": 0.5, "seed": 7}
EVERYTHING |= {"resized_crop": 0.3, "trivial_augment": True, "colour_jitter": 0.2}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ()),
        ({"crop": 0.125}, (RandomCrop(4, "black"),)),
        ({"crop": 0.125, "crop_fill": "reflect"}, (RandomCrop(4, "reflect"),)),
        ({"crop": 0.01}, ()),  # less than half a pixel
        ({"flip": "random"}, (RandomFlip(),)),
        ({"flip": "alternating", "seed": 3}, (AlternatingFlip(3),)),
        ({"rotation": 10}, (RandomAffine(10, 0, 0),)),
        ({"scale": 0.1}, (RandomAffine(0, 0.1, 0),)),
        ({"shear": 4}, (RandomAffine(0, 0, 4),)),
        ({"brightness": 0.3}, (Brightness(0.3),)),
        ({"contrast": 0.3}, (Contrast(0.3),)),
        ({"resized_crop": 0.5}, (RandomResizedCrop(0.5),)),
        ({"trivial_augment": True}, (TrivialAugment(),)),
        ({"colour_jitter": 0.4}, (ColourJitter(0.4),)),
        ({"cutout": 0.25}, (Cutout(0.25, (127.5, 63.75, 255.0)),)),
    ],
)
def test_only_the_augmentations_that_are_switched_on_are_used(image_folder: Path, chosen: dict[str, Any], expected: tuple):
    assert make_augmentations(tiny_config(image_folder, **{**OFF, **chosen}), 32, MEAN) == expected


def test_all_together_they_come_in_a_fixed_order(image_folder: Path):
    kinds = [type(augment) for augment in make_augmentations(tiny_config(image_folder, **EVERYTHING), 32, MEAN)]
    photographs = [RandomResizedCrop, TrivialAugment, ColourJitter]
    assert kinds == [*photographs, RandomAffine, RandomCrop, AlternatingFlip, Brightness, Contrast, Cutout]


def test_the_crop_grows_with_the_image(image_folder: Path):
    config = tiny_config(image_folder, crop=0.125, flip="off")
    assert [make_augmentations(config, size, MEAN)[0].padding for size in (16, 32, 64, 224)] == [2, 4, 8, 28]


def test_images_and_labels_are_mixed_in_the_ways_that_were_chosen(image_folder: Path):
    def made(**chosen: Any) -> object:
        return make_mixing(tiny_config(image_folder, **chosen), 3)

    assert made() is None
    assert made(mixup=0.2) == MixUp(0.2, 3) and made(cutmix=1) == CutMix(1, 3)
    assert made(mixup=0.2, cutmix=1) == MixEither((MixUp(0.2, 3), CutMix(1, 3)))
