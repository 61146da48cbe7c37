"""Mixing: batches in which every image carries a share of another one, and its target says how much.

In: normalised images (N, C, H, W) float32, their labels (N,) int64, and the View that draws. Out: images of the same shape, and
targets (N, classes) float32 that sum to 1, as cross-entropy takes them. The share is drawn for every image on its own, the
partners are a permutation of the batch, and nothing waits for the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import betaincinv

from cnn_core.data.augmentation import RandomDraws, box

Mixed = tuple[torch.Tensor, torch.Tensor]
Mix = Callable[[torch.Tensor, torch.Tensor, RandomDraws], Mixed]

STEPS = 4096  # of the table of the beta distribution: no probability is off by more than 1 / 4096


@dataclass(frozen=True)
class MixUp:
    """Blends every image with a partner, λ of the one and 1 - λ of the other (Zhang et al., 2018, arXiv 1710.09412).

    λ is drawn from Beta(alpha, alpha): a small alpha leaves most images nearly whole, 1 draws all shares alike.
    """

    alpha: float
    classes: int

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, view: RandomDraws) -> Mixed:
        share, partner = draw_beta(self.alpha, len(images), view), draw_partners(len(images), view)
        blended = torch.lerp(images[partner], images, share[:, None, None, None])
        return blended, mix_targets(labels, labels[partner], share, self.classes)


@dataclass(frozen=True)
class CutMix:
    """Pastes a rectangle of a partner into every image, at the same place (Yun et al., 2019, arXiv 1905.04899).

    The rectangle has the image's shape and the share 1 - λ of its area, λ from Beta(alpha, alpha); its middle is any pixel. What
    hangs over the edge is cut off, and the target follows the area that was really pasted.
    """

    alpha: float
    classes: int

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, view: RandomDraws) -> Mixed:
        count, _, height, width = images.shape
        share, partner = draw_beta(self.alpha, count, view), draw_partners(count, view)
        side = (1 - share).sqrt()[:, None]  # (N, 1): of the rectangle, as a share of the image's
        rows, columns = (
            box(
                view.randint(length, count, 1), (side * length).long(), length
            )  # whole pixels, rounded down as in the paper's code
            for length in (height, width)
        )
        pasted = rows[:, :, None] & columns[:, None, :]  # (N, H, W)
        kept = 1 - pasted.flatten(1).float().mean(1)
        return torch.where(pasted[:, None], images[partner], images), mix_targets(labels, labels[partner], kept, self.classes)


@dataclass(frozen=True)
class MixEither:
    """Treats every image by one of several mixes, drawn for each on its own with equal chances.

    All are computed and one is kept: to choose for the batch as a whole would mean to wait for the device to say which.
    """

    mixes: tuple[Mix, ...]

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, view: RandomDraws) -> Mixed:
        chosen = view.randint(len(self.mixes), len(images), 1)
        mixed, targets = self.mixes[0](images, labels, view)
        for number, mix in enumerate(self.mixes[1:], start=1):
            others, their_targets = mix(images, labels, view)
            mixed = torch.where((chosen == number)[:, :, None, None], others, mixed)
            targets = torch.where(chosen == number, their_targets, targets)
        return mixed, targets


def draw_beta(alpha: float, count: int, view: RandomDraws) -> torch.Tensor:
    """`count` draws from Beta(alpha, alpha), float32: the inverse of its distribution function at uniform draws.

    Torch's own Beta takes no generator, so that a seed would not decide its draws.
    """
    table = _beta_table(alpha, view.generator.device)
    position = view.rand(count) * STEPS
    below = position.long()
    return torch.lerp(table[below], table[below + 1], position - below)


def draw_partners(count: int, view: RandomDraws) -> torch.Tensor:
    """A permutation of the batch: (N,) int64, for each image the place of the one it is mixed with (now and then itself)."""
    return torch.randperm(count, generator=view.generator, device=view.generator.device)


def mix_targets(labels: torch.Tensor, others: torch.Tensor, share: torch.Tensor, classes: int) -> torch.Tensor:
    """Targets (N, classes) float32 with `share` (N,) for the label and the rest for the other label; all where they are equal."""
    names = torch.arange(classes, device=labels.device)
    return torch.lerp((others[:, None] == names).float(), (labels[:, None] == names).float(), share[:, None])


@lru_cache(maxsize=16)
def _beta_table(alpha: float, device: torch.device) -> torch.Tensor:
    """Quantiles of Beta(alpha, alpha) at 0, 1 / STEPS, ..., 1: (STEPS + 1,) float32, copied to the device once."""
    return torch.from_numpy(betaincinv(alpha, alpha, np.linspace(0, 1, STEPS + 1)).astype(np.float32)).to(device)
