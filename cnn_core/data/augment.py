"""Augmentation: functions from a batch to a batch, drawn for every image on its own, on the device the batch is on.

In and out: images (N, C, H, W), any dtype; draws come from the generator given, so a seed decides them all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class RandomCrop:
    """Pads every side with `padding` black pixels and cuts a random window of the original size (He et al., 2015, section 4.2)."""

    padding: int

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, _, height, width = images.shape
        padded = F.pad(images, [self.padding] * 4).permute(0, 2, 3, 1)  # (N, H + 2p, W + 2p, C): one gather moves whole pixels
        top, left = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=generator, device=images.device)
        rows = top + torch.arange(height, device=images.device)  # (N, H)
        columns = left + torch.arange(width, device=images.device)  # (N, W)
        image = torch.arange(count, device=images.device)
        return padded[image[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class RandomFlip:
    """Mirrors every image left to right with probability one half."""

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        flip = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device) < 0.5
        return torch.where(flip, images.flip(3), images)
