"""Residual networks: the narrow ones for CIFAR-10, ResNet-18 with a stem for small images, and the fast ResNet-9.

In: an input shape and settings. Out: modules from images (N, channels, S, S) to logits (N, classes), for any S (ResNet-9 from 8).
Layers have torchvision's names, so that its ResNet-18 state dict fits except for the stem and the head.
"""

from functools import partial
from typing import Any

import torch
from torch import nn

from cnn_core.models.layers import conv3x3, make_activation, scale_width


class ZeroPadding(nn.Module):
    """A shortcut without parameters: every `stride`-th pixel, new channels zero. (N, C, H, W) -> (N, C + added, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(features[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut, the activation after their sum: (N, inputs, H, W) -> (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉).

    Where the shape changes the shortcut is a 1×1 convolution with batch norm if `project` is set (option B of He et al., 2015),
    else option A, zero padding.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str, project: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.activation = make_activation(activation)
        self.downsample: nn.Module = nn.Identity()
        if project and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        elif stride != 1 or inputs != outputs:
            self.downsample = ZeroPadding(outputs - inputs, stride)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        inner = self.activation(self.bn1(self.conv1(features)))
        outputs: torch.Tensor = self.activation(self.bn2(self.conv2(inner)) + self.downsample(features))
        return outputs


class ResNet(nn.Module):
    """A 3×3 stem, stages of blocks, all but the first halving the side, average pooling over the image, one linear layer.

    K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, 2015. Initial weights as in He et al., 2015b
    (Delving Deep into Rectifiers). `forward` maps images (N, channels, S, S) to logits (N, classes).
    """

    def __init__(
        self,
        blocks: tuple[int, ...],
        channels_of_stages: tuple[int, ...],
        project: bool,
        *,
        channels: int,
        image_size: int,  # any: the pooling adapts
        classes: int,
        width: float = 1.0,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [scale_width(count, width) for count in channels_of_stages]
        self.conv1, self.bn1 = conv3x3(channels, widths[0]), nn.BatchNorm2d(widths[0])
        self.activation = make_activation(activation)
        inputs = widths[0]
        for stage, (count, outputs) in enumerate(zip(blocks, widths, strict=True), start=1):
            strides = [1 if stage == 1 else 2] + [1] * (count - 1)
            layers = [
                Block(outputs if index else inputs, outputs, stride, activation, project) for index, stride in enumerate(strides)
            ]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            inputs = outputs
        self.stages = len(blocks)
        self.avgpool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs, classes)
        _init_weights(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.activation(self.bn1(self.conv1(images)))
        for stage in range(1, self.stages + 1):
            features = self.get_submodule(f"layer{stage}")(features)
        logits: torch.Tensor = self.fc(self.dropout(self.avgpool(features)))
        return logits


def _narrow_resnet(blocks: int, **options: Any) -> ResNet:
    """Return 6·blocks + 2 layers of 16, 32 and 64 channels with option-A shortcuts: section 4.2 of He et al., 2015."""
    return ResNet((blocks,) * 3, (16, 32, 64), False, **options)


resnet20 = partial(_narrow_resnet, 3)  # 0.27 million parameters
resnet32 = partial(_narrow_resnet, 5)  # 0.46 million
resnet56 = partial(_narrow_resnet, 9)  # 0.85 million


def resnet18(**options: Any) -> ResNet:
    """Return ResNet-18 of He et al., 2015, with a 3×3 stem of stride 1 and without max pooling: a 32×32 image ends as 4×4 pixels, not one."""
    return ResNet((2, 2, 2, 2), (64, 128, 256, 512), True, **options)


class Residual(nn.Module):
    """Adds the outputs of the layers `inside` to their inputs, which have the same shape."""

    def __init__(self, *inside: nn.Module) -> None:
        super().__init__()
        self.inside = nn.Sequential(*inside)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = features + self.inside(features)
        return outputs


class Scale(nn.Module):
    """Multiplies by a fixed number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits * self.factor


def resnet9(
    *,
    channels: int,
    image_size: int,  # any from 8: the last pooling adapts
    classes: int,
    width: float = 1.0,
    activation: str = "relu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return the network of David Page's DAWNBench entry (How to Train Your ResNet, 2018; cifar10-fast), 6.57 million parameters.

    Convolutions of 64, 128, 256, 512 channels, the last three followed by pooling; shortcuts over two more convolutions after the
    second and the fourth; the largest value of each channel; a linear layer without bias whose logits are divided by 8.
    """
    first, second, third, fourth = (scale_width(count, width) for count in (64, 128, 256, 512))

    def conv(inputs: int, outputs: int, *pool: nn.Module) -> nn.Sequential:
        return nn.Sequential(conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), *pool, make_activation(activation))

    return nn.Sequential(
        conv(channels, first),
        conv(first, second, nn.MaxPool2d(2)),
        Residual(conv(second, second), conv(second, second)),
        conv(second, third, nn.MaxPool2d(2)),
        conv(third, fourth, nn.MaxPool2d(2)),
        Residual(conv(fourth, fourth), conv(fourth, fourth)),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(fourth, classes, bias=False),
        Scale(1 / 8),
    )


def _init_weights(model: nn.Module) -> None:
    """Initialise the kernels as in He et al., 2015b."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
