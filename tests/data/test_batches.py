"""Batches: every image once in a pass, with its label, normalised as torchvision does it, and statistics as numpy has them."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize

from cnn_core.data.augment import Augmentation, RandomCrop, RandomFlip
from cnn_core.data.batches import Batches, Normalise, channel_statistics
from cnn_core.data.source import ImageSet

CPU = torch.device("cpu")


def numbered(count: int) -> ImageSet:
    """Images of which each shows its own number, which also is its label."""
    numbers = np.arange(count)
    return ImageSet(np.broadcast_to(numbers[:, None, None, None], (count, 4, 4, 3)).astype(np.uint8), numbers)


def plain(
    images: ImageSet, batch_size: int, *, shuffle: bool = False, seed: int = 0, augment: Sequence[Augmentation] = ()
) -> Batches:
    """Batches whose normalisation leaves the values 0..255 as they are."""
    std = (1 / 255,) * images.images.shape[3]
    zero = (0.0,) * images.images.shape[3]
    return Batches(
        images,
        batch_size=batch_size,
        device=CPU,
        mean=zero,
        std=std,
        shuffle=shuffle,
        seed=seed,
        augmentations=tuple(augment),
    )


def order(batches: Batches) -> list[int]:
    """The labels of one pass, after making sure that every image came with its own label."""
    labels: list[int] = []
    for images, numbers in batches:
        assert torch.allclose(images, numbers.float().view(-1, 1, 1, 1).expand_as(images), atol=1e-3)
        labels += numbers.tolist()
    return labels


@pytest.mark.parametrize(("count", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3]), (5, 1, [1] * 5)])
def test_a_pass_has_every_image_once_and_only_its_last_batch_may_be_smaller(count: int, batch_size: int, sizes: list[int]):
    for shuffle in (False, True):
        batches = plain(numbered(count), batch_size, shuffle=shuffle)
        assert [len(labels) for _, labels in batches] == sizes and len(batches) == len(sizes)
        assert sorted(order(batches)) == list(range(count))


def test_without_shuffling_the_images_keep_their_order():
    batches = plain(numbered(20), 6)
    assert order(batches) == order(batches) == list(range(20))


def test_shuffling_draws_a_new_order_for_every_pass_and_the_same_for_the_same_seed():
    one, same, other = (plain(numbered(50), 7, shuffle=True, seed=seed) for seed in (4, 4, 5))
    passes = [order(one) for _ in range(3)]
    assert len({tuple(labels) for labels in passes}) == 3
    assert passes == [order(same) for _ in range(3)]
    assert passes[0] != order(other)


def test_normalising_equals_torchvisions():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3)).astype(np.uint8)
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    batches = Batches(ImageSet(pixels, np.zeros(12, np.int64)), batch_size=12, device=CPU, mean=mean, std=std)
    (images, labels) = next(iter(batches))
    expected = normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, list(mean), list(std))
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    torch.testing.assert_close(images, expected, rtol=0, atol=2e-6)


def test_batches_are_contiguous_in_channels_last_with_and_without_augmentation():
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3)).astype(np.uint8), np.arange(9))
    for augment in ((), (RandomCrop(1), RandomFlip())):
        for batch, _ in plain(images, 4, augment=augment):
            assert batch.is_contiguous(memory_format=torch.channels_last) and batch.shape[1:] == (3, 8, 8)


def test_augmented_images_are_normalised_after_their_black_frame_was_added():
    white = ImageSet(np.full((200, 8, 8, 1), 255, np.uint8), np.zeros(200, np.int64))
    batches = Batches(white, batch_size=200, device=CPU, mean=(0.5,), std=(0.25,), augmentations=(RandomCrop(2),))
    images, _ = next(iter(batches))
    assert set(images.unique().tolist()) == {-2.0, 2.0}


def test_every_pass_augments_anew_and_never_the_stored_images():
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8), np.arange(6))
    batches = plain(images, 6, augment=(RandomCrop(2),))
    before = batches.images.clone()
    first, second = (next(iter(batches))[0] for _ in range(2))
    assert not torch.equal(first, second) and torch.equal(batches.images, before)


@pytest.mark.parametrize("count", [1, 7, 12_001])
def test_channel_statistics_equal_numpys(count: int):
    rng = np.random.default_rng(count)
    pixels = (rng.random((count, 3, 4, 3)) ** (1, 2, 3) * 255).astype(np.uint8)
    mean, std = channel_statistics(pixels)
    np.testing.assert_allclose(mean, (pixels / 255).mean((0, 1, 2)), rtol=1e-10)
    np.testing.assert_allclose(std, (pixels / 255).std((0, 1, 2)), rtol=1e-10)


def test_normalised_training_images_have_mean_zero_and_deviation_one():
    pixels = np.random.default_rng(0).integers(20, 200, (50, 8, 8, 3)).astype(np.uint8)
    images = Normalise(*channel_statistics(pixels), CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.mean((0, 2, 3)).abs().max() < 1e-5
    assert (images.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_channel_without_any_contrast_becomes_zero_rather_than_infinite():
    pixels = np.full((5, 4, 4, 1), 77, np.uint8)
    mean, std = channel_statistics(pixels)
    assert std == (1.0,)
    images = Normalise(mean, std, CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.abs().max() < 1e-6
