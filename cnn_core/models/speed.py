"""SpeedNet: a small network that learns in few epochs, designed for speed on a CPU and on a GPU.

In: normalised training images, once, for its first layer (`prepare`); then images. Out: logits. The ideas are K. Jordan's (94% on
CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, arXiv 2404.00498: airbench), who took the whitening from T. Balsam (hlb-CIFAR10, 2023)
and D. Page (How to Train Your ResNet, 2018). With the widths here it takes at most a third of airbench's multiply-adds.
"""

import torch
from torch import nn

from cnn_core.models.layers import conv3x3, make_activation, scale_width

WIDTHS = (32, 128, 192)  # 38 million multiply-adds for a 32×32 image; a wide first group, at 31×31 pixels, would cost most
PATCH = 2
EPSILON = 5e-4  # added to a variance before dividing by its root, so that directions of little variance are not amplified
PATCHES_AT_ONCE = 2**18


class Whitening(nn.Conv2d):
    """A frozen 2×2 convolution onto the principal components of image patches, scaled to unit variance, and onto their negatives.

    (N, channels, H, W) -> (N, 8·channels, H-1, W-1). Before `prepare` its weights are random. Only the bias is trained.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels * PATCH**2, kernel_size=PATCH)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def prepare(self, images: torch.Tensor) -> None:
        """Compute the weights from the patches of `images` (N, channels, H, W); the bias moves their mean to zero."""
        mean, covariance = patch_statistics(images)
        variances, directions = torch.linalg.eigh(covariance)  # (D,), (D, D) with one direction a column; D = 4·channels
        rows = (directions / (variances.clamp(min=0) + EPSILON).sqrt()).T
        rows = torch.cat((rows, -rows))
        self.weight.copy_(rows.reshape(self.weight.shape))
        assert self.bias is not None  # created by __init__
        self.bias.copy_(-rows @ mean)


def patch_statistics(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean (D,) and covariance (D, D) of all 2×2 patches of `images` (N, C, H, W), D = 4·C, in double precision on the CPU."""
    size = images.shape[1] * PATCH**2
    total, products, count = torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64), 0
    for batch in torch.split(images, max(1, PATCHES_AT_ONCE // images[0, 0].numel())):
        windows = batch.cpu().double().unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (n, C, H-1, W-1, 2, 2)
        patches = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, size)
        total += patches.sum(0)
        products += patches.T @ patches
        count += len(patches)
    mean = total / count
    return mean, products / count - mean.outer(mean)


class SpeedNet(nn.Module):
    """Whitening, three groups of two convolutions that halve the side, the largest value of each channel, a linear layer.

    38 million multiply-adds for a 3-channel 32×32 image. Convolutions start as the identity for as many channels as they have inputs. Batch norms
    learn no scale, and logits are divided by 9, which keeps training with a large learning rate stable.
    `forward` maps images (N, channels, S, S), S from 9, to logits (N, classes).
    """

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,  # any from 9: the last pooling adapts
        classes: int,
        width: float = 1.0,
        activation: str = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.whitening = Whitening(channels)
        self.activation = make_activation(activation)
        inputs, groups = self.whitening.out_channels, []
        for outputs in (scale_width(count, width) for count in WIDTHS):
            groups.append(conv_group(inputs, outputs, activation))
            inputs = outputs
        self.groups = nn.Sequential(*groups)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, classes, bias=False)

    def prepare(self, images: torch.Tensor) -> None:
        """Set the whitening from normalised training images (N, C, H, W), once and before training; 5,000 of them are enough."""
        self.whitening.prepare(images)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.groups(self.activation(self.whitening(images)))  # (N, C, H, W)
        logits: torch.Tensor = self.head(self.dropout(features.amax((2, 3)))) / 9
        return logits


def conv_group(inputs: int, outputs: int, activation: str) -> nn.Sequential:
    """Return convolution, pooling, norm, activation; convolution, norm, activation: (N, inputs, H, W) -> (N, outputs, H/2, W/2)."""
    return nn.Sequential(
        _start_as_identity(conv3x3(inputs, outputs)),
        nn.MaxPool2d(2),
        _norm(outputs),
        make_activation(activation),
        _start_as_identity(conv3x3(outputs, outputs)),
        _norm(outputs),
        make_activation(activation),
    )


def _norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm that learns a bias but no scale, which the next layer's weights can learn."""
    norm = nn.BatchNorm2d(channels)
    norm.weight.requires_grad_(False)
    return norm


@torch.no_grad()
def _start_as_identity(convolution: nn.Conv2d) -> nn.Conv2d:
    """Set the first outputs to the inputs; outputs beyond the number of inputs stay random."""
    nn.init.dirac_(convolution.weight[: convolution.in_channels])
    return convolution
