"""Augmentation: functions from a batch to a batch, with random numbers for every image, on the device of the batch; and the selection for a run.

In: images (N, C, H, W) uint8 or float32, 0..255, and RandomDraws. Out: images of the same shape; uint8 stays uint8 if pixels only move,
and becomes float32 if they are blended or change their values. Each is a few tensor operations on the whole batch that never wait for
the device. A strength of 0 leaves the batch as it is.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F

from cnn_core.config.schema import TrainConfig
from cnn_core.data.mixing import CutMix, Mix, MixEither, MixUp
from cnn_core.data.random_draws import Augmentation, RandomDraws, box_mask
from cnn_core.training.photo_augmentation import ColourJitter, RandomResizedCrop, TrivialAugment


def make_augmentations(config: TrainConfig, image_size: int, mean: tuple[float, ...]) -> tuple[Augmentation, ...]:
    """Return the augmentations in use for images of `image_size` pixels. `mean` (0..1 per channel) fills the holes of cutout."""
    padding = round(config.crop * image_size)
    is_on: dict[Augmentation, bool] = {
        RandomResizedCrop(config.resized_crop): config.resized_crop > 0,
        TrivialAugment(): config.trivial_augment,
        ColourJitter(config.colour_jitter): config.colour_jitter > 0,
        RandomAffine(config.rotation, config.scale, config.shear): bool(config.rotation or config.scale or config.shear),
        RandomCrop(padding, config.crop_fill): padding > 0,
        RandomFlip(): config.flip == "random",
        AlternatingFlip(config.seed): config.flip == "alternating",
        Brightness(config.brightness): config.brightness > 0,
        Contrast(config.contrast): config.contrast > 0,
        Cutout(config.cutout, tuple(255 * value for value in mean)): config.cutout > 0,
    }
    return tuple(augmentation for augmentation in is_on if is_on[augmentation])


def make_mixing(config: TrainConfig, classes: int) -> Mix | None:
    """Return Mixup or CutMix, the random choice between both where both are on, or None."""
    mixes: list[Mix] = []
    if config.mixup:
        mixes.append(MixUp(config.mixup, classes))
    if config.cutmix:
        mixes.append(CutMix(config.cutmix, classes))
    return MixEither(tuple(mixes)) if len(mixes) == 2 else mixes[0] if mixes else None


@dataclass(frozen=True)
class RandomCrop:
    """Pads with `padding` pixels and crops a random window of the original size (He et al., 2015, section 4.2).

    The padding is black, or reflects the image without repeating its edge; then `padding` must be less than the side.
    """

    padding: int
    fill: Literal["black", "reflect"] = "black"

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.padding:
            return images
        count, channels, height, width = images.shape
        padded = self._pad(images).permute(0, 2, 3, 1).contiguous()  # (N, H + 2p, W + 2p, C)
        _, tall, wide, _ = padded.shape
        top, left = draws.randint(2 * self.padding + 1, 2, count, 1)
        # The W * C values of a window's row are contiguous, so rows are copied instead of pixels: ten times as fast on a CPU.
        runs = padded.flatten().unfold(0, width * channels, channels)  # the W * C values from each pixel on, without a copy
        image, row = (torch.arange(size, device=images.device) for size in (count, height))
        starts = (image[:, None] * tall + top + row) * wide + left  # (N, H): the first pixel of each row
        return runs.index_select(0, starts.flatten()).view(count, height, width, channels).permute(0, 3, 1, 2)

    def _pad(self, images: torch.Tensor) -> torch.Tensor:
        if self.fill == "black":
            return F.pad(images, [self.padding] * 4)
        assert self.padding < min(images.shape[2:]), "a reflection cannot be larger than the image"
        for side in (2, 3):  # torch's reflection padding does not support uint8 on every device
            before = images.narrow(side, 1, self.padding).flip(side)
            after = images.narrow(side, images.shape[side] - 1 - self.padding, self.padding).flip(side)
            images = torch.cat((before, images, after), side)
        return images


@dataclass(frozen=True)
class RandomFlip:
    """Mirrors each image left to right with probability 0.5."""

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        return _mirror(images, draws.rand(len(images)) < 0.5)


@dataclass(frozen=True)
class AlternatingFlip:
    """Mirrors half of the images in one epoch and the other half in the next (Jordan, 2024, arXiv 2404.00498).

    The half is a pseudo-random function of an image's index and `seed`. Two epochs in a row show every image both ways; random flips
    would show half of the images the same way twice.
    """

    seed: int

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        first = hash_integers(hash_integers(draws.indices) + self.seed % 2**32) & 1
        return _mirror(images, (first + draws.epoch) % 2 == 1)


@dataclass(frozen=True)
class Cutout:
    """Covers a random square, which may be cut off by the edge (DeVries and Taylor, 2017, arXiv 1708.04552).

    `size`: the square's side as a fraction of the image's shorter side. `fill`: its colour, 0..255 per channel, usually the mean of
    the training images, which normalisation maps to 0. Returns float32, because a mean is not a whole number.
    """

    size: float
    fill: tuple[float, ...]

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        count, _, height, width = images.shape
        side = round(self.size * min(height, width))
        if not side:
            return images
        hole = (
            box_mask(_centres(draws, count, height), side, height)[:, :, None]
            & box_mask(_centres(draws, count, width), side, width)[:, None]
        )
        return torch.where(hole[:, None], _colour(self.fill, images.device), images)


@dataclass(frozen=True)
class Brightness:
    """Adds a random value of up to ± `strength` of full brightness to each image and clamps to 0..255. Returns float32."""

    strength: float

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        return (images + draws.spread(len(images), 1, 1, 1) * (self.strength * 255)).clamp(0, 255)


@dataclass(frozen=True)
class Contrast:
    """Scales the differences from each image's mean by a random factor in 1 ± `strength` and clamps to 0..255. Returns float32."""

    strength: float

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        values = images.float()
        mean = values.mean((1, 2, 3), keepdim=True)
        return torch.lerp(mean, values, 1 + draws.spread(len(images), 1, 1, 1) * self.strength).clamp(0, 255)


@dataclass(frozen=True)
class RandomAffine:
    """Rotates, scales and shears each image about its centre; pixels from outside are black. Returns float32, bilinear.

    `rotation`, `shear`: up to ± these degrees. `scale`: the factor is in 1 ± `scale`. A positive rotation is clockwise, and the matrix
    is torchvision's (shear along x, then rotation, then scaling).
    """

    rotation: float
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not (self.rotation or self.scale or self.shear):
            return images
        height, width = images.shape[2:]
        angle, factor, shear = draws.spread(3, len(images))
        angle, factor, shear = torch.deg2rad(angle * self.rotation), 1 + factor * self.scale, torch.deg2rad(shear * self.shear)
        cos, sin, tan, zero = angle.cos(), angle.sin(), shear.tan(), torch.zeros_like(angle)
        # The origin of each pixel: the inverse matrix, in the grid's units, of which height and width are 2 each.
        across = torch.stack(((cos - sin * tan) / factor, (sin + cos * tan) / factor * (height / width), zero), 1)
        down = torch.stack((-sin / factor * (width / height), cos / factor, zero), 1)
        grid = F.affine_grid(torch.stack((across, down), 1), list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def hash_integers(numbers: torch.Tensor) -> torch.Tensor:
    """Return a pseudo-random 32-bit number for each int64 number, the same on every device (xor, shift and multiply, twice)."""
    for _ in range(2):
        numbers = ((numbers >> 16 ^ numbers) * 0x45D9F3B) & 0xFFFFFFFF  # an odd factor below 2^27: int64 does not overflow
    return numbers >> 16 ^ numbers


def _centres(draws: RandomDraws, count: int, length: int) -> torch.Tensor:
    return draws.randint(length, count, 1)


def _mirror(images: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Mirror the images for which `which` (N,) bool is true left to right."""
    return torch.where(which[:, None, None, None], images.flip(3), images)


@lru_cache(maxsize=16)
def _colour(fill: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return `fill` as (1, C, 1, 1) float32, copied to the device once: a copy for every batch would wait for the device."""
    return torch.tensor(fill, dtype=torch.float32, device=device).view(1, -1, 1, 1)
