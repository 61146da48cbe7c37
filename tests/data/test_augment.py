"""Augmentation: every crop is a real window, every flip a real mirror image, drawn for each image on its own."""

import pytest
import torch

from cnn_core.data.augment import RandomCrop, RandomFlip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int, channels: int = 3, height: int = 9, width: int = 7) -> torch.Tensor:
    return torch.randint(1, 256, (count, channels, height, width), generator=generator(9), dtype=torch.uint8)


def windows(image: torch.Tensor, padding: int) -> dict[tuple[int, int], torch.Tensor]:
    """Every window of the image's size in the image padded with zeros, by its top left corner."""
    _, height, width = image.shape
    padded = torch.zeros(image.shape[0], height + 2 * padding, width + 2 * padding, dtype=image.dtype)
    padded[:, padding : padding + height, padding : padding + width] = image
    return {
        (top, left): padded[:, top : top + height, left : left + width]
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    }


@pytest.mark.parametrize("padding", [0, 1, 4])
def test_every_crop_is_a_window_of_the_image_in_a_black_frame(padding: int):
    images = random_images(60)
    for image, crop in zip(images, RandomCrop(padding)(images, generator()), strict=True):
        assert sum(torch.equal(crop, window) for window in windows(image, padding).values()) == 1


def test_every_window_is_drawn_and_none_is_preferred():
    image = random_images(1)
    crops = RandomCrop(1)(image.expand(1800, -1, -1, -1), generator())
    counts = [int((crops == window).flatten(1).all(1).sum()) for window in windows(image[0], 1).values()]
    assert sum(counts) == 1800 and min(counts) > 140 and max(counts) < 260


def test_images_of_one_batch_are_cropped_each_on_its_own():
    same = random_images(1).expand(20, -1, -1, -1)
    assert len({crop.numpy().tobytes() for crop in RandomCrop(2)(same, generator())}) > 5


def test_cropping_float_images_equals_cropping_their_bytes():
    images = random_images(20)
    assert torch.equal(RandomCrop(2)(images.float(), generator()), RandomCrop(2)(images, generator()).float())


def test_a_flip_mirrors_about_half_of_the_images_left_to_right_and_leaves_the_others():
    images = random_images(1000)
    flipped = RandomFlip()(images, generator())
    mirrored = (flipped == torch.flip(images, [3])).flatten(1).all(1)
    untouched = (flipped == images).flatten(1).all(1)
    assert bool((mirrored ^ untouched).all())
    assert 440 < int(mirrored.sum()) < 560


@pytest.mark.parametrize("augment", [RandomCrop(3), RandomFlip()])
def test_the_same_seed_draws_the_same_and_another_one_something_else(augment: RandomCrop | RandomFlip):
    images = random_images(50)
    first, again, other = (augment(images, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("augment", [RandomCrop(3), RandomFlip()])
def test_the_images_given_stay_as_they_are(augment: RandomCrop | RandomFlip):
    images = random_images(50)
    before = images.clone()
    augment(images, generator())
    assert torch.equal(images, before)
