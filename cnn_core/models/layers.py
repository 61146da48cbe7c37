"""What several families share: activations by name, widths scaled to round numbers, and the convolution with its norm.

In: settings as they are written in TrainConfig. Out: layers.
"""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def make_activation(name: str) -> nn.Module:
    """A new activation layer: ReLU; GELU (Hendrycks and Gimpel, 2016); SiLU (Elfwing et al., 2017); leaky ReLU with slope 0.01."""
    return ACTIVATIONS[name]()


def scale_width(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 and at least 8: kernels are fast on whole vectors only."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution without bias, for a batch norm to follow: (N, inputs, H, W) -> (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
