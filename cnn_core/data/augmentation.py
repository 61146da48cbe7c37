"""Augmentation: functions from a batch to a batch, drawn for every image on its own, on the device the batch is on.

In: images (N, C, H, W) uint8 or float32, 0..255, and the View that says which images these are and draws for them. Out: images
of the same shape; uint8 stays uint8 where pixels only move, and becomes float32 where they are blended or change their values.
Every one is a few whole-batch tensor operations that never wait for the device. A strength of 0 leaves the batch as it came.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F


@dataclass(frozen=True, eq=False)
class RandomDraws:
    """One look at some images of a set: their places in it (N,) int64, the pass (from 0), and the source of all its draws.

    `indices` and `generator` are on the batch's device.
    """

    indices: torch.Tensor
    epoch: int
    generator: torch.Generator

    def rand(self, *shape: int) -> torch.Tensor:
        """Uniform in [0, 1), float32."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def randint(self, end: int, *shape: int) -> torch.Tensor:
        """Uniform whole numbers from 0 to `end` - 1, int64."""
        return torch.randint(end, shape, generator=self.generator, device=self.generator.device)

    def spread(self, *shape: int) -> torch.Tensor:
        """Uniform in [-1, 1), float32."""
        return self.rand(*shape) * 2 - 1


Augmentation = Callable[[torch.Tensor, RandomDraws], torch.Tensor]


@dataclass(frozen=True)
class RandomCrop:
    """Adds a frame of `padding` pixels and cuts a random window of the original size (He et al., 2015, section 4.2).

    The frame is black, or mirrors the image at its edge, which is not repeated; then `padding` must be less than the side.
    """

    padding: int
    fill: Literal["black", "reflect"] = "black"

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        if not self.padding:
            return images
        count, channels, height, width = images.shape
        padded = self._frame(images).permute(0, 2, 3, 1).contiguous()  # (N, H + 2p, W + 2p, C)
        _, tall, wide, _ = padded.shape
        top, left = view.randint(2 * self.padding + 1, 2, count, 1)
        # A row of a window is W * C values in one run, so rows are copied rather than pixels: on a CPU ten times as fast.
        runs = padded.flatten().unfold(0, width * channels, channels)  # every run that begins at a pixel, as a view
        image, row = (torch.arange(size, device=images.device) for size in (count, height))
        starts = (image[:, None] * tall + top + row) * wide + left  # (N, H): the pixel each row begins at
        return runs.index_select(0, starts.flatten()).view(count, height, width, channels).permute(0, 3, 1, 2)

    def _frame(self, images: torch.Tensor) -> torch.Tensor:
        if self.fill == "black":
            return F.pad(images, [self.padding] * 4)
        assert self.padding < min(images.shape[2:]), "a mirror image reaches no further than the image"
        for side in (2, 3):  # by hand: torch's reflection padding is not promised for uint8 on every device
            before = images.narrow(side, 1, self.padding).flip(side)
            after = images.narrow(side, images.shape[side] - 1 - self.padding, self.padding).flip(side)
            images = torch.cat((before, images, after), side)
        return images


@dataclass(frozen=True)
class RandomFlip:
    """Mirrors every image left to right with probability one half."""

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        return _mirror(images, view.rand(len(images)) < 0.5)


@dataclass(frozen=True)
class AlternatingFlip:
    """Mirrors half of the images in one pass and the other half in the next (Jordan, 2024, arXiv 2404.00498).

    Which half an image is in is a pseudo-random function of its place in the set and `seed`: any two passes in a row show every
    image both ways, where random flips would show half of them the same way twice.
    """

    seed: int

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        first = scramble(scramble(view.indices) + self.seed % 2**32) & 1
        return _mirror(images, (first + view.epoch) % 2 == 1)


@dataclass(frozen=True)
class Cutout:
    """Covers a square at a random place, which may hang over the edge (DeVries and Taylor, 2017, arXiv 1708.04552).

    `size`: side of the square as a share of the image's shorter side. `fill`: its colour, for each channel 0..255, to be the mean
    of the training images, which normalising makes 0. Gives float32, because a mean is no whole number.
    """

    size: float
    fill: tuple[float, ...]

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        count, _, height, width = images.shape
        side = round(self.size * min(height, width))
        if not side:
            return images
        hole = (
            box(_centres(view, count, height), side, height)[:, :, None] & box(_centres(view, count, width), side, width)[:, None]
        )
        return torch.where(hole[:, None], _colour(self.fill, images.device), images)


@dataclass(frozen=True)
class Brightness:
    """Adds to every image a value drawn within ± `strength` of full brightness, and keeps it in 0..255. Gives float32."""

    strength: float

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        return (images + view.spread(len(images), 1, 1, 1) * (self.strength * 255)).clamp(0, 255)


@dataclass(frozen=True)
class Contrast:
    """Stretches every image around its own mean by a factor drawn in 1 ± `strength`, and keeps it in 0..255. Gives float32."""

    strength: float

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        if not self.strength:
            return images
        values = images.float()
        mean = values.mean((1, 2, 3), keepdim=True)
        return torch.lerp(mean, values, 1 + view.spread(len(images), 1, 1, 1) * self.strength).clamp(0, 255)


@dataclass(frozen=True)
class RandomAffine:
    """Turns, scales and slants every image about its middle; what comes in from outside is black. Gives float32, bilinear.

    `rotation`, `shear`: degrees, drawn within ±. `scale`: a share, the factor is drawn in 1 ± `scale`. A positive rotation turns
    clockwise, and the matrix is torchvision's (slant along x, then turn, then scale).
    """

    rotation: float
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: torch.Tensor, view: RandomDraws) -> torch.Tensor:
        if not (self.rotation or self.scale or self.shear):
            return images
        height, width = images.shape[2:]
        turn, factor, slant = view.spread(3, len(images))
        turn, factor, slant = torch.deg2rad(turn * self.rotation), 1 + factor * self.scale, torch.deg2rad(slant * self.shear)
        cos, sin, tan, nothing = turn.cos(), turn.sin(), slant.tan(), torch.zeros_like(turn)
        # Where each pixel comes from: the inverse matrix, in the grid's units, of which height and width are 2 each.
        across = torch.stack(((cos - sin * tan) / factor, (sin + cos * tan) / factor * (height / width), nothing), 1)
        down = torch.stack((-sin / factor * (width / height), cos / factor, nothing), 1)
        grid = F.affine_grid(torch.stack((across, down), 1), list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def box(centres: torch.Tensor, sides: torch.Tensor | int, length: int) -> torch.Tensor:
    """Where along an axis of `length` pixels a box lies: (N, length) bool. centres: (N, 1), sides: (N, 1) or one for all, pixels."""
    first = centres - sides // 2
    place = torch.arange(length, device=centres.device)
    return (place >= first) & (place < first + sides)


def scramble(numbers: torch.Tensor) -> torch.Tensor:
    """A pseudo-random 32-bit number for every int64 number given, on any device the same (xor, shift and multiply, twice)."""
    for _ in range(2):
        numbers = ((numbers >> 16 ^ numbers) * 0x45D9F3B) & 0xFFFFFFFF  # an odd factor below 2^27: int64 does not overflow
    return numbers >> 16 ^ numbers


def _centres(view: RandomDraws, count: int, length: int) -> torch.Tensor:
    return view.randint(length, count, 1)


def _mirror(images: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """The images with those mirrored left to right that `which` (N,) bool names."""
    return torch.where(which[:, None, None, None], images.flip(3), images)


@lru_cache(maxsize=16)
def _colour(fill: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """(1, C, 1, 1) float32, copied to the device once: a copy for every batch would wait for it."""
    return torch.tensor(fill, dtype=torch.float32, device=device).view(1, -1, 1, 1)
