"""Networks from torchvision, adapted to small and to grey images.

In: an input shape. Out: modules from images (N, channels, S, S), S from 16, to logits (N, classes). All three divide the side by 32,
which reduces a 32×32 image to one pixel; for images up to 64×64 the stride of the first layer is halved, so 2×2 pixels remain. The
shapes of the kernels stay the same, so ImageNet weights fit in both cases (see `starting_weights`).
Sources: A. Howard et al., Searching for MobileNetV3, 2019; M. Tan and Q. Le, EfficientNet, 2019; Z. Liu et al., A ConvNet for the
2020s, 2022.
"""

from functools import partial

from torch import nn
from torchvision import models

SMALL = 64  # pixels: the largest side for which the first layer's stride is halved
STEM = "features.0.0"  # the first convolution of all three


def mobilenet(*, channels: int, image_size: int, classes: int, dropout: float = 0.2) -> nn.Module:
    """Return MobileNetV3 small. Its batch norms have momentum 0.1: torchvision's 0.01 needs 300 steps until its running means are usable."""
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.1)
    model = models.mobilenet_v3_small(num_classes=classes, dropout=dropout, norm_layer=norm)
    return _fit_stem(model, channels, image_size)


def efficientnet(*, channels: int, image_size: int, classes: int, dropout: float = 0.2) -> nn.Module:
    """Return EfficientNet-B0, with the stochastic depth of its paper in training."""
    return _fit_stem(models.efficientnet_b0(num_classes=classes, dropout=dropout), channels, image_size)


def convnext(*, channels: int, image_size: int, classes: int, dropout: float = 0.0) -> nn.Module:
    """Return ConvNeXt tiny with dropout before its last layer, which torchvision's does not have."""
    model = models.convnext_tiny(num_classes=classes)
    model.classifier.insert(2, nn.Dropout(dropout))
    return _fit_stem(model, channels, image_size)


def _fit_stem(model: nn.Module, channels: int, image_size: int) -> nn.Module:
    """Replace the first convolution by one for `channels`, at half the stride for small images."""
    old = model.get_submodule(STEM)
    assert isinstance(old, nn.Conv2d)
    kernel, stride, padding = old.kernel_size[0], old.stride[0], old.padding[0]
    if image_size <= SMALL:
        stride, padding = stride // 2, (kernel - 1) // 2  # n pixels become n / stride, for kernels of 3 and of 4
    new = nn.Conv2d(channels, old.out_channels, kernel, stride, padding, groups=old.groups, bias=old.bias is not None)
    model.set_submodule(STEM, new)
    return model
