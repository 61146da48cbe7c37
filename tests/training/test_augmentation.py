"""Augmentation: crops are windows, flips are mirror images, the rest is what torchvision and numpy make of the same draws."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import functional as torchvision

from cnn_core.data.mixing import CutMix, MixEither, MixUp
from cnn_core.data.random_draws import Augmentation, RandomDraws
from cnn_core.training import photo_augmentation
from cnn_core.training.augmentation import AlternatingFlip, Brightness, Contrast, Cutout, RandomAffine, RandomCrop, RandomFlip
from cnn_core.training.photo_augmentation import ColourJitter, RandomResizedCrop, TrivialAugment

GREY = (120.5, 110.25, 100.0)
MOVING = [RandomCrop(3), RandomCrop(3, "reflect"), RandomFlip()]
PHOTOGRAPHIC = [RandomResizedCrop(0.3), ColourJitter(0.4), TrivialAugment()]
ALL = [*MOVING, Cutout(0.5, GREY), Brightness(0.3), Contrast(0.4), RandomAffine(20, 0.2, 10), *PHOTOGRAPHIC]
SEEDED = pytest.mark.parametrize("augment", ALL, ids=repr)


def draws(count: int, seed: int = 0, epoch: int = 0, start: int = 0) -> RandomDraws:
    return RandomDraws(torch.arange(start, start + count), epoch, torch.Generator().manual_seed(seed))


def random_images(count: int, channels: int = 3, height: int = 9, width: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randint(1, 256, (count, channels, height, width), generator=generator, dtype=torch.uint8)


def windows(image: torch.Tensor, padding: int, mode: Any = "constant") -> dict[tuple[int, int], torch.Tensor]:
    """Every window of the image's size in the image as numpy pads it, by its top left corner."""
    _, height, width = image.shape
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)), mode))
    return {
        (top, left): padded[:, top : top + height, left : left + width]
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    }


@pytest.mark.parametrize(("fill", "mode"), [("black", "constant"), ("reflect", "reflect")])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_every_crop_is_a_window_of_the_image_in_its_frame(padding: int, fill: Any, mode: str):
    images = random_images(60)
    for image, crop in zip(images, RandomCrop(padding, fill)(images, draws(60)), strict=True):
        assert sum(torch.equal(crop, window) for window in windows(image, padding, mode).values()) == 1


def test_a_mirrored_frame_may_be_as_wide_as_the_image_but_for_one_pixel():
    images = random_images(2)
    assert RandomCrop(6, "reflect")(images, draws(2)).min() > 0
    with pytest.raises(AssertionError):
        RandomCrop(7, "reflect")(images, draws(2))


def test_every_window_is_drawn_and_none_is_preferred():
    image = random_images(1)
    crops = RandomCrop(1)(image.expand(1800, -1, -1, -1), draws(1800))
    counts = [int((crops == window).flatten(1).all(1).sum()) for window in windows(image[0], 1).values()]
    assert sum(counts) == 1800 and min(counts) > 140 and max(counts) < 260


@pytest.mark.parametrize("augment", MOVING, ids=repr)
def test_moving_float_images_equals_moving_their_bytes(augment: Augmentation):
    images = random_images(20)
    moved = augment(images, draws(20))
    assert moved.dtype == torch.uint8 and torch.equal(augment(images.float(), draws(20)), moved.float())


def mirrored(images: torch.Tensor, flipped: torch.Tensor) -> torch.Tensor:
    """Which images were mirrored, (N,) bool, after making sure that the others were left as they were."""
    is_mirrored = (flipped == torch.flip(images, [3])).flatten(1).all(1)
    is_untouched = (flipped == images).flatten(1).all(1)
    assert bool((is_mirrored ^ is_untouched).all())
    return is_mirrored


def test_a_random_flip_mirrors_about_half_of_the_images_left_to_right():
    images = random_images(1000)
    assert 440 < int(mirrored(images, RandomFlip()(images, draws(1000))).sum()) < 560


@pytest.mark.parametrize("epoch", [0, 1, 6])
def test_two_passes_in_a_row_with_alternating_flips_show_every_image_both_ways(epoch: int):
    images, flip = random_images(1000), AlternatingFlip(3)
    first, second, third = (mirrored(images, flip(images, draws(1000, seed=at, epoch=epoch + at))) for at in range(3))
    assert bool((first ^ second).all()) and torch.equal(first, third)
    assert 440 < int(first.sum()) < 560


def test_an_alternating_flip_depends_on_the_images_place_in_the_set_and_on_the_seed_alone():
    images = random_images(1000)
    whole = mirrored(images, AlternatingFlip(3)(images, draws(1000)))
    assert torch.equal(whole[400:500], mirrored(images[400:500], AlternatingFlip(3)(images[400:500], draws(100, start=400))))
    for seed in (4, 5, 2**40 + 7):
        other = mirrored(images, AlternatingFlip(seed)(images, draws(1000)))
        assert 440 < int((whole ^ other).sum()) < 560


def test_neighbours_are_mirrored_independently_of_each_other():
    images = random_images(4000)
    sign = mirrored(images, AlternatingFlip(0)(images, draws(4000))).numpy() * 2.0 - 1
    for distance in (1, 2, 4, 10, 64, 256, 1024):
        assert abs((sign[distance:] * sign[:-distance]).mean()) < 0.06


@pytest.mark.parametrize(("size", "side"), [(0.5, 8), (0.3, 5), (1.0, 16)])
def test_cutout_covers_a_square_at_any_place_that_hangs_over_the_edge_as_in_the_paper(size: float, side: int):
    images = random_images(3000, height=16, width=16)
    cut = Cutout(size, GREY)(images, draws(3000))
    holes = (cut == torch.tensor(GREY).view(1, -1, 1, 1)).all(1)
    expected = np.zeros((16, 16), bool)
    squares = set()
    for row in range(16):
        for column in range(16):
            expected[:] = False
            first_row, first_column = row - side // 2, column - side // 2
            expected[max(0, first_row) : first_row + side, max(0, first_column) : first_column + side] = True
            squares.add(expected.tobytes())
    assert {hole.numpy().tobytes() for hole in holes} == squares
    assert torch.equal(cut[~holes[:, None].expand_as(cut)], images[~holes[:, None].expand_as(cut)].float())


def test_brightness_adds_one_value_to_every_image_drawn_evenly_and_keeps_the_range():
    images = torch.full((2000, 3, 4, 4), 128, dtype=torch.uint8)
    added = (Brightness(0.2)(images, draws(2000)) - 128).flatten(1)
    assert bool((added == added[:, :1]).all())
    np.testing.assert_allclose(np.quantile(added[:, 0], (0, 0.25, 0.5, 0.75, 1)), (-51, -25.5, 0, 25.5, 51), atol=3)
    extreme = Brightness(0.9)(random_images(200), draws(200))
    assert extreme.min() == 0 and extreme.max() == 255


def test_contrast_stretches_every_image_around_its_own_mean():
    images = torch.randint(100, 156, (2000, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    given, changed = images.flatten(1).double().numpy(), Contrast(0.4)(images, draws(2000)).flatten(1).double().numpy()
    factors = changed.std(1) / given.std(1)
    mean = given.mean(1, keepdims=True)
    np.testing.assert_allclose(changed, mean + (given - mean) * factors[:, None], atol=1e-3)
    np.testing.assert_allclose(np.quantile(factors, (0, 0.25, 0.5, 0.75, 1)), (0.6, 0.8, 1, 1.2, 1.4), atol=0.02)
    extreme = Contrast(1.0)(random_images(200), draws(200))
    assert extreme.min() == 0 and extreme.max() == 255


@pytest.mark.parametrize("size", [(16, 16), (9, 14), (3, 2)])
@pytest.mark.parametrize("strengths", [(30, 0, 0), (0, 0.3, 0), (0, 0, 20), (25, 0.2, 15)])
def test_an_affine_equals_torchvisions_of_the_same_draws(size: tuple[int, int], strengths: tuple[float, float, float]):
    rotation, scale, shear = strengths
    images = random_images(12, height=size[0], width=size[1])
    drawn = torch.rand(3, 12, generator=torch.Generator().manual_seed(5)) * 2 - 1
    turned = RandomAffine(*strengths)(images, draws(12, seed=5))
    for image, result, (turn, factor, slant) in zip(images.float(), turned, drawn.T.tolist(), strict=True):
        expected = torchvision.affine(
            image, turn * rotation, [0, 0], 1 + factor * scale, [slant * shear, 0.0], torchvision.InterpolationMode.BILINEAR
        )
        torch.testing.assert_close(result, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    "augment",
    [
        RandomCrop(0),
        RandomCrop(0, "reflect"),
        Cutout(0, GREY),
        Brightness(0),
        Contrast(0),
        RandomAffine(0, 0, 0),
        RandomResizedCrop(0),
        ColourJitter(0),
    ],
    ids=repr,
)
def test_without_any_strength_nothing_changes(augment: Augmentation):
    images = random_images(20)
    for given in (images, images.float()):
        result = augment(given, draws(20))
        assert result.dtype == given.dtype and torch.equal(result, given)


@SEEDED
def test_the_same_seed_draws_the_same_and_another_one_something_else(augment: Augmentation):
    images = random_images(50)
    first, again, other = (augment(images, draws(50, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@SEEDED
def test_images_of_one_batch_are_drawn_each_on_its_own(augment: Augmentation):
    same = random_images(1).expand(40, -1, -1, -1)
    kinds = {image.numpy().tobytes() for image in augment(same, draws(40))}
    assert len(kinds) == 2 if augment == RandomFlip() else len(kinds) > 10


@SEEDED
def test_the_images_given_stay_as_they_are(augment: Augmentation):
    for images in (random_images(50), random_images(50).float().contiguous(memory_format=torch.channels_last)):
        before = images.clone()
        assert augment(images, draws(50)).shape == images.shape
        assert torch.equal(images, before)


@SEEDED
def test_how_a_batch_lies_in_memory_does_not_matter(augment: Augmentation):
    images = random_images(50)
    torch.testing.assert_close(
        augment(images, draws(50)), augment(images.contiguous(memory_format=torch.channels_last), draws(50)), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("augment", [*ALL, AlternatingFlip(2)], ids=repr)
def test_a_copy_equals_the_original_and_its_print_is_the_call_that_makes_it(augment: Augmentation):
    assert copy.deepcopy(augment) == augment == eval(repr(augment))


class Waits(TorchDispatchMode):
    """Notes the operations for which the host would have to wait for a GPU: reading a value, and results of unknown size."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(i is not None and i.dtype == torch.bool for i in args[1])
        if by_mask or name in ("_local_scalar_dense", "nonzero", "masked_select"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_what_would_wait_for_a_gpu_is_noticed():
    images = torch.ones(3)
    for step in (lambda: images.sum().item(), lambda: images[images > 0], lambda: images.nonzero(), lambda: bool(images[0])):
        with Waits() as waits:
            step()
        assert waits.seen


@pytest.mark.parametrize(
    "call", [*ALL, AlternatingFlip(2), MixUp(0.2, 5), CutMix(1, 5), MixEither((MixUp(1, 5), CutMix(1, 5)))], ids=repr
)
def test_nothing_waits_for_the_device(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(photo_augmentation, "selects_rows", lambda device: False)  # as on a GPU
    images, looking = random_images(8), draws(8)
    inputs = (images.float(), torch.arange(8) % 5, looking) if "Mix" in repr(call) else (images, looking)
    call(*inputs)  # tables and colours are copied to the device once
    with Waits() as waits:
        call(*inputs)
    assert not waits.seen
