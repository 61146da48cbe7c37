"""SimpleCNN: the network of the classic PyTorch tutorials, for any image size from 8×8, channel count and class count."""

import torch
from torch import nn


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """Conv2d 3×3 -> max pooling 2×2 -> ReLU: (N, inputs, H, W) -> (N, outputs, H/2, W/2).

    ReLU and max pooling commute; pooling first leaves the activation a quarter of the work.
    """
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.ReLU())


class SimpleCNN(nn.Module):
    """Three convolution blocks (32, 64, 128 channels), then three fully connected layers (192, 96, classes) with dropout.

    506,154 parameters for 3-channel 32×32 images in 10 classes. `forward` maps images (N, channels, S, S) to logits (N, classes).
    """

    def __init__(self, *, channels: int, image_size: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(conv_block(channels, 32), conv_block(32, 64), conv_block(64, 128))
        side = image_size // 8
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * side * side, 192),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(192, 96),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(96, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images))
