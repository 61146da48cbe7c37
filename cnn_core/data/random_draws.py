"""Random numbers for a batch of images, drawn on the device of the batch: used by augmentation and mixing.

In: which images of which epoch, and a generator. Out: tensors of random numbers. An augmentation is a function from images and draws to
images of the same shape.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class RandomDraws:
    """The random numbers for a batch: its images' indices in the set (N,) int64, the epoch (from 0), and a generator.

    `indices` and `generator` are on the batch's device.
    """

    indices: torch.Tensor
    epoch: int
    generator: torch.Generator

    def rand(self, *shape: int) -> torch.Tensor:
        """Return numbers uniform in [0, 1), float32."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def randint(self, end: int, *shape: int) -> torch.Tensor:
        """Return whole numbers uniform from 0 to `end` - 1, int64."""
        return torch.randint(end, shape, generator=self.generator, device=self.generator.device)

    def spread(self, *shape: int) -> torch.Tensor:
        """Return numbers uniform in [-1, 1), float32."""
        return self.rand(*shape) * 2 - 1


Augmentation = Callable[[torch.Tensor, RandomDraws], torch.Tensor]


def box_mask(centres: torch.Tensor, sides: torch.Tensor | int, length: int) -> torch.Tensor:
    """Return which pixels of an axis of `length` pixels a box covers: (N, length) bool. centres: (N, 1), sides: (N, 1) or one for all, pixels."""
    first = centres - sides // 2
    pixel = torch.arange(length, device=centres.device)
    return (pixel >= first) & (pixel < first + sides)
