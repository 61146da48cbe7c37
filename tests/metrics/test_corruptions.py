"""Corruptions: what each does to a batch, against arithmetic, SciPy, torchvision and Pillow."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torchvision.transforms.v2 import functional as reference

from cnn_core.metrics.corruptions import CORRUPTIONS, STRENGTHS, Corruption
from cnn_core.metrics.robustness import corrupt

BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}


def batch(channels: int = 3, side: int = 24, count: int = 6, softness: float = 2) -> torch.Tensor:
    """Images with something in them, smooth over `softness` pixels: (N, C, S, S) uint8."""
    rng = np.random.default_rng(channels)
    soft = gaussian_filter(rng.random((count, channels, side, side)), (0, 0, softness, softness))
    soft = (soft - soft.min((2, 3), keepdims=True)) / np.ptp(soft, axis=(2, 3), keepdims=True)
    return torch.from_numpy((soft * 255).astype(np.uint8))


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean absolute difference, levels of 255."""
    return (one.float() - other.float()).abs().mean().item()


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_stronger_corruption_changes_images_more_and_draws_the_same_every_time(corruption: Corruption, channels: int):
    images = batch(channels, softness=0.5)
    before = images.clone()
    corrupted = [corrupt(images, corruption, strength) for strength in corruption.strengths]
    assert len(corrupted) == STRENGTHS and torch.equal(images, before)
    for strength, some in zip(corruption.strengths, corrupted, strict=True):
        assert some.shape == images.shape and some.dtype == torch.uint8
        assert torch.equal(some, corrupt(images, corruption, strength))
    distances = [distance(some, images) for some in corrupted]
    assert distances == sorted(distances) and distances[0] > 0.5


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_single_image_that_is_not_square_can_be_corrupted(corruption: Corruption):
    image = batch()[:1, :, :13]
    for strength in corruption.strengths:
        assert corrupt(image, corruption, strength).shape == image.shape


def test_noise_has_the_deviation_that_it_says():
    grey = torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)
    noise = corrupt(grey, BY_NAME["noise"], 8).float() - 128
    assert noise.mean().abs() < 0.5 and noise.std().item() == pytest.approx(0.08 * 255, rel=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("percent", [2.5, 9])
def test_blur_is_scipys_gaussian(channels: int, percent: float):
    images = batch(channels)
    deviation = percent / 100 * 24
    radius = max(1, int(np.ceil(3 * deviation)))
    expected = gaussian_filter(
        images.numpy().astype(np.float64), (0, 0, deviation, deviation), mode="nearest", radius=(0, 0, radius, radius)
    )
    assert np.abs(corrupt(images, BY_NAME["blur"], percent).numpy() - expected).max() <= 0.51


def test_brightness_goes_up_for_some_and_down_for_others_by_the_same():
    grey = torch.full((40, 1, 8, 8), 100, dtype=torch.uint8)
    assert corrupt(grey, BY_NAME["brightness"], 20).unique().tolist() == [49, 151]
    assert corrupt(grey, BY_NAME["brightness"], 50).unique().tolist() == [0, 228]


def test_contrast_leaves_the_mean_and_the_named_part_of_every_difference():
    images = batch()
    mean = images.float().mean((1, 2, 3), keepdim=True)
    found = corrupt(images, BY_NAME["contrast"], 20).float()
    np.testing.assert_allclose(found, mean + 0.2 * (images - mean), atol=0.51)


def test_rotation_is_torchvisions_to_either_side():
    images = batch(count=12)
    found = corrupt(images, BY_NAME["rotation"], 30)
    ways = [
        reference.rotate(images.float(), angle, interpolation=reference.InterpolationMode.BILINEAR).round() for angle in (30, -30)
    ]
    sides = [[distance(image, way[index]) < 0.2 for way in ways] for index, image in enumerate(found)]
    assert all(sum(side) == 1 for side in sides) and len({tuple(side) for side in sides}) == 2


def test_a_shift_moves_the_image_by_whole_pixels_and_shows_black_behind_it():
    dot = torch.zeros((50, 1, 40, 40), dtype=torch.uint8)
    dot[:, :, 20, 20] = 255
    places = corrupt(dot, BY_NAME["shift"], 25).nonzero()[:, 2:] - 20
    assert len(places) == 50
    lengths = places.float().norm(dim=1)
    assert lengths.min() >= 9.2 and lengths.max() <= 10.8  # a quarter of 40, rounded along both axes
    assert len({(int(y > 0), int(x > 0)) for y, x in places}) == 4
    white = corrupt(torch.full((30, 1, 40, 40), 255, dtype=torch.uint8), BY_NAME["shift"], 25)
    assert white.unique().tolist() == [0, 255] and (white == 0).float().mean((1, 2, 3)).min() > 0.2


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int):
    images = batch(channels)
    found = corrupt(images, BY_NAME["JPEG"], 15)
    for image, expected in zip(images, found, strict=True):
        out = io.BytesIO()
        reference.to_pil_image(image).save(out, "JPEG", quality=15)
        assert torch.equal(reference.pil_to_tensor(Image.open(out)), expected)


def test_strengths_are_reported_in_their_unit():
    assert BY_NAME["rotation"].describe(20) == "rotation by 20°"
    assert [corruption.describe(corruption.strengths[0]) for corruption in CORRUPTIONS][:2] == [
        "noise of 4% of full brightness",
        "blur over 1.5% of the side",
    ]
