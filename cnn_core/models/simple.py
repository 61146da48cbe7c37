"""SimpleCNN: the network of the classic PyTorch tutorials, for any image size, channel count and class count.

In: an input shape and settings. Out: a module from images (N, channels, S, S) to logits (N, classes).
"""

from itertools import pairwise

import torch
from torch import nn

from cnn_core.models.layers import make_activation, scale_width

CHANNELS = (32, 64, 128, 256, 256, 256)
UNITS = (192, 96)


def conv_block(inputs: int, outputs: int, activation: str = "relu", batch_norm: bool = False) -> nn.Sequential:
    """Conv2d 3×3 -> max pooling 2×2 -> (batch norm) -> activation: (N, inputs, H, W) -> (N, outputs, H/2, W/2).

    ReLU and max pooling commute; pooling first reduces the computation of norm and activation to a quarter. With batch norm, which has a bias of its
    own, the convolution has none.
    """
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
    return nn.Sequential(convolution, nn.MaxPool2d(2), *norm, make_activation(activation))


class SimpleCNN(nn.Module):
    """`depth` convolution blocks (32, 64, 128, then 256 channels), then fully connected layers (192, 96, classes) with dropout.

    506,154 parameters for 3-channel 32×32 images in 10 classes at depth 3 and width 1. `width` scales every layer but the last.
    `forward` maps images (N, channels, S, S), S at least 2**depth, to logits (N, classes).
    """

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,
        classes: int,
        dropout: float = 0.0,
        width: float = 1.0,
        depth: int = 3,
        activation: str = "relu",
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels, *(scale_width(count, width) for count in CHANNELS[:depth])]
        self.features = nn.Sequential(
            *(conv_block(inputs, outputs, activation, batch_norm) for inputs, outputs in pairwise(widths))
        )
        side = image_size // 2**depth
        lengths = [widths[-1] * side * side, *(scale_width(count, width) for count in UNITS)]
        self.classifier = nn.Sequential(
            nn.Flatten(),
            *(
                layer
                for inputs, outputs in pairwise(lengths)
                for layer in (nn.Linear(inputs, outputs), make_activation(activation), nn.Dropout(dropout))
            ),
            nn.Linear(lengths[-1], classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits
