"""Augmentation: functions from a batch to a batch, drawn for every image on its own, on the device the batch is on.

In: images (N, C, H, W) uint8 or float32, 0..255, and RandomDraws: their indices and the random numbers. Out: images of the same shape;
uint8 stays uint8 where pixels only move, and becomes float32 where they are blended or change their values. Every augmentation is a few
operations on the whole batch that never wait for the device. A strength of 0 leaves the batch unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F


@dataclass(frozen=True, eq=False)
class RandomDraws:
    """The random numbers for one batch: the indices of its images in the data set (N,) int64, the epoch from 0, and the generator.

    `indices` and `generator` are on the batch's device.
    """

    indices: torch.Tensor
    epoch: int
    generator: torch.Generator

    def rand(self, *shape: int) -> torch.Tensor:
        """Uniform in [0, 1), float32."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def randint(self, end: int, *shape: int) -> torch.Tensor:
        """Uniform integers from 0 to `end` - 1, int64."""
        return torch.randint(end, shape, generator=self.generator, device=self.generator.device)

    def spread(self, *shape: int) -> torch.Tensor:
        """Uniform in [-1, 1), float32."""
        return self.rand(*shape) * 2 - 1


Augmentation = Callable[[torch.Tensor, RandomDraws], torch.Tensor]


@dataclass(frozen=True)
class RandomCrop:
    """Pads by `padding` pixels and crops a random window of the original size (He et al., 2015, section 4.2).

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
        # A row of a window is W * C values in one run, so rows are copied rather than pixels: on a CPU ten times as fast.
        runs = padded.flatten().unfold(0, width * channels, channels)  # every run that begins at a pixel, without copying
        image, row = (torch.arange(size, device=images.device) for size in (count, height))
        starts = (image[:, None] * tall + top + row) * wide + left  # (N, H): the pixel each row begins at
        return runs.index_select(0, starts.flatten()).view(count, height, width, channels).permute(0, 3, 1, 2)

    def _pad(self, images: torch.Tensor) -> torch.Tensor:
        if self.fill == "black":
            return F.pad(images, [self.padding] * 4)
        assert self.padding < min(images.shape[2:]), "reflection padding is smaller than the image"
        for side in (2, 3):  # by hand: torch does not promise reflection padding for uint8 on every device
            before = images.narrow(side, 1, self.padding).flip(side)
            after = images.narrow(side, images.shape[side] - 1 - self.padding, self.padding).flip(side)
            images = torch.cat((before, images, after), side)
        return images


@dataclass(frozen=True)
class RandomFlip:
    """Flips every image horizontally with probability one half."""

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        return _flip(images, draws.rand(len(images)) < 0.5)


@dataclass(frozen=True)
class AlternatingFlip:
    """Flips half of the images in one epoch and the other half in the next (Jordan, 2024, arXiv 2404.00498).

    The half of an image is a pseudo-random function of its index and `seed`: any two epochs in a row show every image both ways, where random
    flips would show half of them the same way twice.
    """

    seed: int

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        first = scramble(scramble(draws.indices) + self.seed % 2**32) & 1
        return _flip(images, (first + draws.epoch) % 2 == 1)


@dataclass(frozen=True)
class Cutout:
    """Covers a square at a random place, which may cross the edge (DeVries and Taylor, 2017, arXiv 1708.04552).

    `size`: side of the square as a fraction of the image's shorter side. `fill`: its colour, 0..255 per channel: the mean of the training
    images, which normalisation makes 0. Returns float32, because a mean is not an integer.
    """

    size: float
    fill: tuple[float, ...]

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        count, _, height, width = images.shape
        side = round(self.size * min(height, width))
        if not side:
            return images
        hole = (
            box(_centres(draws, count, height), side, height)[:, :, None]
            & box(_centres(draws, count, width), side, width)[:, None]
        )
        return torch.where(hole[:, None], _colour(self.fill, images.device), images)


@dataclass(frozen=True)
class Brightness:
    """Adds to every image a value within ± `strength` of full brightness, clipped to 0..255. Returns float32."""

    strength: float

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        return (images + draws.spread(len(images), 1, 1, 1) * (self.strength * 255)).clamp(0, 255)


@dataclass(frozen=True)
class Contrast:
    """Scales every image around its own mean by a factor in 1 ± `strength`, clipped to 0..255. Returns float32."""

    strength: float

    def __call__(self, images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        values = images.float()
        mean = values.mean((1, 2, 3), keepdim=True)
        return torch.lerp(mean, values, 1 + draws.spread(len(images), 1, 1, 1) * self.strength).clamp(0, 255)


@dataclass(frozen=True)
class RandomAffine:
    """Rotates, scales and shears every image about its centre, bilinear; the outside is black. Returns float32.

    `rotation`, `shear`: degrees, drawn within ±. `scale`: the factor is drawn in 1 ± `scale`. A positive rotation is clockwise, and the matrix is
    torchvision's (shear along x, then rotate, then scale).
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
        # Where each pixel comes from: the inverse matrix, in the grid's units, of which height and width are 2 each.
        across = torch.stack(((cos - sin * tan) / factor, (sin + cos * tan) / factor * (height / width), zero), 1)
        down = torch.stack((-sin / factor * (width / height), cos / factor, zero), 1)
        grid = F.affine_grid(torch.stack((across, down), 1), list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def box(centres: torch.Tensor, sides: torch.Tensor | int, length: int) -> torch.Tensor:
    """Return a mask (N, length) bool of the pixels of an axis that a box covers. centres: (N, 1), sides: (N, 1) or one for all, pixels."""
    first = centres - sides // 2
    position = torch.arange(length, device=centres.device)
    return (position >= first) & (position < first + sides)


def scramble(numbers: torch.Tensor) -> torch.Tensor:
    """Return a pseudo-random 32-bit number for every int64 number, the same on any device (xor, shift and multiply, twice)."""
    for _ in range(2):
        numbers = ((numbers >> 16 ^ numbers) * 0x45D9F3B) & 0xFFFFFFFF  # an odd factor below 2^27: int64 does not overflow
    return numbers >> 16 ^ numbers


def _centres(draws: RandomDraws, count: int, length: int) -> torch.Tensor:
    return draws.randint(length, count, 1)


def _flip(images: torch.Tensor, is_flipped: torch.Tensor) -> torch.Tensor:
    """Flip the images horizontally where `is_flipped` (N,) bool is true."""
    return torch.where(is_flipped[:, None, None, None], images.flip(3), images)


@lru_cache(maxsize=16)
def _colour(fill: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return the colour (1, C, 1, 1) float32, copied to the device once: a copy for every batch would wait for the device."""
    return torch.tensor(fill, dtype=torch.float32, device=device).view(1, -1, 1, 1)
