"""Augmentation for photographs: on real photographs, each operation is torchvision's own with the same numbers."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from cnn_core.data.random_draws import RandomDraws
from cnn_core.training import photo_augmentation
from cnn_core.training.photo_augmentation import (
    LEVELS,
    OPERATIONS,
    ColourJitter,
    RandomResizedCrop,
    TrivialAugment,
    apply_operations,
    resize_boxes,
    turn_hue,
)

SIDE = 48
THEIRS = {  # names of torchvision's transform
    "identity": "Identity",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "colour": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterise": "Posterize",
    "solarise": "Solarize",
    "autocontrast": "AutoContrast",
    "equalise": "Equalize",
}


@cache
def photographs(channels: int = 3) -> torch.Tensor:
    """Parts of the two photographs that scikit-learn contains: (6, channels, SIDE, SIDE) uint8."""
    from sklearn.datasets import load_sample_images

    whole = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]
    parts = [image[:, top : top + 4 * SIDE : 4, 100 : 100 + 4 * SIDE : 4] for image in whole for top in (0, 120, 230)]
    images = torch.stack(parts)
    return images if channels == 3 else functional.rgb_to_grayscale(images)


def draws(count: int, seed: int = 0) -> RandomDraws:
    return RandomDraws(torch.arange(count), 0, torch.Generator().manual_seed(seed))


def assert_close(mine: torch.Tensor, theirs: torch.Tensor, *, most: int = 0, share: float = 0.0) -> None:
    """Pixels differ by at most `most`, except a fraction of `share` of them."""
    difference = (mine.int() - theirs.int()).abs()
    assert mine.dtype == theirs.dtype == torch.uint8
    assert (difference > most).float().mean() <= share, (
        f"{(difference > most).float().mean():.4f} differ by up to {difference.max()}"
    )


def apply(images: torch.Tensor, name: str, level: int, sign: int) -> torch.Tensor:
    count = len(images)
    numbers = (torch.full((count,), number) for number in (OPERATIONS.index(name), level, float(sign)))
    return apply_operations(images, *numbers)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_trivial_augment_is_torchvisions_at_every_strength(name: str, channels: int):
    theirs, images = v2.TrivialAugmentWide(), photographs(channels)
    magnitudes, is_signed = theirs._AUGMENTATION_SPACE[THEIRS[name]]
    strengths = magnitudes(LEVELS, SIDE, SIDE)
    is_moving = name in (*OPERATIONS[1:6], "solarise")  # a pixel between two others, or on the threshold, is rounded to either
    for level in (0, 7, 16, 30):
        for sign in (1, -1) if is_signed else (1,):
            magnitude = sign * float(strengths[level]) if strengths is not None else 0.0
            expected = theirs._apply_image_or_video_transform(
                images, THEIRS[name], magnitude, interpolation=InterpolationMode.NEAREST, fill={torch.Tensor: None}
            )
            changed = apply(images, name, level, sign)
            assert_close(changed, expected, most=0 if is_moving else 1, share=0.01 if is_moving else 0)


def test_every_image_draws_one_operation_and_its_strength_evenly():
    count, images = 2_800, photographs()[:1].expand(2_800, -1, -1, -1)
    changed = TrivialAugment()(images, draws(count))
    again = draws(count)
    operation, level = again.randint(len(OPERATIONS), count), again.randint(LEVELS, count)
    sign = torch.where(again.rand(count) <= 0.5, -1.0, 1.0)
    assert operation.bincount().min() > 140 and level.bincount().min() > 50
    for row in range(0, count, 100):
        name = OPERATIONS[operation[row]]
        assert torch.equal(changed[row], apply(images[:1], name, int(level[row]), int(sign[row]))[0]), name


def test_the_images_that_are_chosen_and_all_at_once_give_the_same(monkeypatch: pytest.MonkeyPatch):
    images = photographs().repeat(10, 1, 1, 1)
    chosen = TrivialAugment()(images, draws(60))
    monkeypatch.setattr(photo_augmentation, "selects_rows", lambda device: False)
    assert torch.equal(TrivialAugment()(images, draws(60)), chosen)
    assert torch.equal(TrivialAugment()(images.float(), draws(60)), chosen.float())


@pytest.mark.parametrize("box", [(0, 0, SIDE, SIDE), (5, 11, 20, 17), (30, 2, 18, 46), (47, 47, 1, 1)])
def test_a_box_is_resized_as_by_torchvision(box: tuple[int, int, int, int]):
    images = photographs()
    mine = resize_boxes(images, *(torch.full((len(images), 1), float(number)) for number in box))
    assert_close(mine, functional.resized_crop(images, *box, size=[SIDE, SIDE], antialias=True), most=1)
    as_floats = resize_boxes(images.float(), *(torch.full((len(images), 1), float(number)) for number in box))
    expected = functional.resized_crop(images.float(), *box, size=[SIDE, SIDE], antialias=False)
    torch.testing.assert_close(as_floats, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("smallest", [0.08, 0.5])
def test_boxes_have_the_sizes_and_places_of_torchvisions(smallest: float, monkeypatch: pytest.MonkeyPatch):
    """The same quantiles of area, aspect ratio and place as those of torchvision's own draws."""
    boxes: list[torch.Tensor] = []
    monkeypatch.setattr(photo_augmentation, "resize_boxes", lambda images, *box: boxes.append(torch.cat(box, 1)))
    RandomResizedCrop(smallest)(torch.zeros(4_000, 1, 224, 224, dtype=torch.uint8), draws(4_000))
    torch.manual_seed(0)
    maker, blank = v2.RandomResizedCrop(224, scale=(smallest, 1)), torch.zeros(1, 224, 224)
    made = [maker.make_params([blank]) for _ in range(4_000)]
    theirs = np.array([[one["top"], one["left"], one["height"], one["width"]] for one in made], dtype=float)
    mine = boxes[0].numpy()
    at = (0.02, 0.25, 0.5, 0.75, 0.98)
    for values in (lambda box: box[:, 0], lambda box: box[:, 1], lambda box: box[:, 2] * box[:, 3] / 224**2):
        scale = max(1.0, values(theirs).max())
        np.testing.assert_allclose(np.quantile(values(mine), at) / scale, np.quantile(values(theirs), at) / scale, atol=0.03)
    ratio = np.log(mine[:, 3] / mine[:, 2])
    assert np.abs(ratio).max() < math.log(4 / 3) + 0.03 and abs(np.mean(ratio)) < 0.01
    assert (mine[:, 0] >= 0).all() and (mine[:, 0] + mine[:, 2] <= 224).all() and (mine[:, 1] + mine[:, 3] <= 224).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_jitter_is_torchvisions_four_changes_one_after_the_other(channels: int):
    images, strength = photographs(channels), 0.6
    mine, again = ColourJitter(strength)(images, draws(len(images))), draws(len(images))
    factors = 1 + again.spread(3, len(images)) * strength
    hues = again.spread(len(images)) * strength / 4
    changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    for number, image in enumerate(images):
        for change, factor in zip(changes, factors[:, number].tolist(), strict=True):
            image = change(image, factor)
        assert_close(mine[number], functional.adjust_hue(image, hues[number].item()), most=1, share=0.005)


@pytest.mark.parametrize("turn", [0.0, 0.1, 0.25, -0.25, 0.5])
def test_a_hue_is_turned_as_by_torchvision(turn: float):
    images = photographs() / 255
    turned = turn_hue(255 * images, torch.full((len(images), 1, 1), turn)) / 255
    torch.testing.assert_close(turned, functional.adjust_hue(images, turn), rtol=0, atol=1e-4)
