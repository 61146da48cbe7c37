"""Shared layers of the families: activations by name, width multipliers, the 3×3 convolution, a protocol.

In: settings by their names in TrainConfig. Out: layers.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import nn


@runtime_checkable
class PreparedModel(Protocol):
    """A model that computes a layer from training images, once and before training."""

    def prepare(self, images: torch.Tensor) -> None:
        """Set the layer from normalised training images (N, C, H, W)."""


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def make_activation(name: str) -> nn.Module:
    """Return a new activation layer: ReLU; GELU (Hendrycks and Gimpel, 2016); SiLU (Elfwing et al., 2017); leaky ReLU with slope 0.01."""
    return ACTIVATIONS[name]()


def scale_width(channels: int, width: float) -> int:
    """Return `channels` times `width`, rounded to a multiple of 8 and at least 8: kernels are fastest with multiples of 8."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution without bias, for a batch norm to follow: (N, inputs, H, W) -> (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
