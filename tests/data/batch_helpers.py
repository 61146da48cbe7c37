"""Batches with recognisable images for the tests of batches and of their state."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from cnn_core.data.batches import Batches
from cnn_core.data.mixing import CutMix, MixEither, MixUp
from cnn_core.data.random_draws import Augmentation
from cnn_core.data.source import ImageSet
from cnn_core.training.augmentation import AlternatingFlip, Contrast, Cutout, RandomAffine, RandomCrop, RandomFlip

CPU = torch.device("cpu")


def numbered(count: int) -> ImageSet:
    """Images of which each shows its own number, which also is its label."""
    numbers = np.arange(count)
    return ImageSet(np.broadcast_to(numbers[:, None, None, None], (count, 4, 4, 3)).astype(np.uint8), numbers)


def plain(
    images: ImageSet, batch_size: int, *, shuffle: bool = False, seed: int = 0, augment: Sequence[Augmentation] = ()
) -> Batches:
    """Batches whose normalisation leaves the values 0..255 as they are."""
    std = (1 / 255,) * images.pool.shape[3]
    zero = (0.0,) * images.pool.shape[3]
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


EVERYTHING = (RandomCrop(1), RandomCrop(1, "reflect"), AlternatingFlip(3), RandomFlip(), Cutout(0.3, (99.5, 98, 97)))


def busy(
    seed: int = 0, *, count: int = 23, resident: bool | None = None, channels: int = 3, images: ImageSet | None = None
) -> Batches:
    """Batches with everything that draws, of images with one label each: 23 in batches of 4 are 6 batches a pass."""
    pixels = np.random.default_rng(5).integers(0, 256, (count, 8, 8, channels)).astype(np.uint8)
    return Batches(
        images or ImageSet(pixels, np.arange(count)),
        batch_size=4,
        device=CPU,
        mean=(0.5,) * channels,
        std=(0.2,) * channels,
        augmentations=(*EVERYTHING[: 5 if channels == 3 else 4], Contrast(0.2), RandomAffine(10, 0.1, 5)),
        mix=MixEither((MixUp(0.5, count), CutMix(1.0, count))),
        shuffle=True,
        seed=seed,
        resident=resident,
    )


def are_equal(ones: Sequence[tuple[torch.Tensor, ...]], others: Sequence[tuple[torch.Tensor, ...]]) -> bool:
    return len(ones) == len(others) and all(
        torch.equal(a, b) for one, other in zip(ones, others, strict=True) for a, b in zip(one, other, strict=True)
    )


def passes(batches: Batches, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of `count` passes, one after the other."""
    for _ in range(count):
        yield from batches
