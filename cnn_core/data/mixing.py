"""Mixup and CutMix: every image of a batch is mixed with another one, and its target with the other label.

In: normalised images (N, C, H, W) float32, their labels (N,) int64, and RandomDraws. Out: images of the same shape, and targets
(N, classes) float32 that sum to 1, as cross-entropy takes them. The weight is drawn for every image, the partners are a permutation of
the batch, and no operation waits for the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import betaincinv

from cnn_core.data.random_draws import RandomDraws, box_mask

Mixed = tuple[torch.Tensor, torch.Tensor]
Mix = Callable[[torch.Tensor, torch.Tensor, RandomDraws], Mixed]

STEPS = 4096  # of the table of the beta distribution: no probability is off by more than 1 / 4096


@dataclass(frozen=True)
class MixUp:
    """Blends every image with a partner, weighted λ and 1 - λ (Zhang et al., 2018, arXiv 1710.09412).

    λ is drawn from Beta(alpha, alpha): with a small alpha most images are nearly unmixed, with 1 every λ is equally likely.
    """

    alpha: float
    classes: int

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, draws: RandomDraws) -> Mixed:
        weight, partner = draw_beta(self.alpha, len(images), draws), draw_partners(len(images), draws)
        blended = torch.lerp(images[partner], images, weight[:, None, None, None])
        return blended, mix_targets(labels, labels[partner], weight, self.classes)


@dataclass(frozen=True)
class CutMix:
    """Pastes a rectangle of a partner into every image, at the same place (Yun et al., 2019, arXiv 1905.04899).

    The rectangle has the image's aspect ratio and 1 - λ of its area, λ from Beta(alpha, alpha); its centre is any pixel. It is cut off at the
    edge, and the target follows the pasted area.
    """

    alpha: float
    classes: int

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, draws: RandomDraws) -> Mixed:
        count, _, height, width = images.shape
        weight, partner = draw_beta(self.alpha, count, draws), draw_partners(count, draws)
        side = (1 - weight).sqrt()[:, None]  # (N, 1): of the rectangle, as a fraction of the image's
        rows, columns = (
            box_mask(
                draws.randint(length, count, 1), (side * length).long(), length
            )  # whole pixels, rounded down as in the paper's code
            for length in (height, width)
        )
        pasted = rows[:, :, None] & columns[:, None, :]  # (N, H, W)
        remaining = 1 - pasted.flatten(1).float().mean(1)
        return torch.where(pasted[:, None], images[partner], images), mix_targets(
            labels, labels[partner], remaining, self.classes
        )


@dataclass(frozen=True)
class MixEither:
    """Applies one of several mixes to every image, drawn for each image with equal probability.

    All mixes are computed and one is used: a choice for the whole batch would have to wait for the device.
    """

    mixes: tuple[Mix, ...]

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, draws: RandomDraws) -> Mixed:
        chosen = draws.randint(len(self.mixes), len(images), 1)
        mixed, targets = self.mixes[0](images, labels, draws)
        for number, mix in enumerate(self.mixes[1:], start=1):
            other_images, other_targets = mix(images, labels, draws)
            mixed = torch.where((chosen == number)[:, :, None, None], other_images, mixed)
            targets = torch.where(chosen == number, other_targets, targets)
        return mixed, targets


def draw_beta(alpha: float, count: int, draws: RandomDraws) -> torch.Tensor:
    """Draw `count` values from Beta(alpha, alpha), float32: the inverse of its distribution function at uniform draws.

    Torch's own Beta takes no generator, so its draws would not depend on the seed.
    """
    table = _beta_table(alpha, draws.generator.device)
    position = draws.rand(count) * STEPS
    below = position.long()
    return torch.lerp(table[below], table[below + 1], position - below)


def draw_partners(count: int, draws: RandomDraws) -> torch.Tensor:
    """Draw a permutation of the batch (N,) int64: the index of the image that each one is mixed with, sometimes itself."""
    return torch.randperm(count, generator=draws.generator, device=draws.generator.device)


def mix_targets(labels: torch.Tensor, others: torch.Tensor, weight: torch.Tensor, classes: int) -> torch.Tensor:
    """Return targets (N, classes) float32: `weight` (N,) for the label and the rest for the other label, 1 where they are equal."""
    numbers = torch.arange(classes, device=labels.device)
    return torch.lerp((others[:, None] == numbers).float(), (labels[:, None] == numbers).float(), weight[:, None])


@lru_cache(maxsize=16)
def _beta_table(alpha: float, device: torch.device) -> torch.Tensor:
    """Return the quantiles of Beta(alpha, alpha) at 0, 1 / STEPS, ..., 1: (STEPS + 1,) float32, copied to the device once."""
    return torch.from_numpy(betaincinv(alpha, alpha, np.linspace(0, 1, STEPS + 1)).astype(np.float32)).to(device)
