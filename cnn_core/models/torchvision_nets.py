"""Networks from torchvision, adapted to small and to grey images.

In: an input shape. Out: modules from images (N, channels, S, S), S from 16, to logits (N, classes). All three divide the side by 32,
which reduces a 32×32 image to one pixel; for images up to 64×64 the stride of the first layer is halved, so 2×2 pixels remain. The
shapes of the kernels stay the same, so ImageNet weights fit in both cases (see `starting_weights`).
Sources: A. Howard et al., Searching for MobileNetV3, 2019; M. Tan and Q. Le, EfficientNet, 2019; Z. Liu et al., A ConvNet for the
2020s, 2022.
"""

import pickle
from functools import partial
from http.client import HTTPException
from pathlib import Path

import torch
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.starting_weights import FittedWeights, StateDict, check_names, copy_weights, read_weights, rename

SMALL = 64  # pixels: the largest side for which the first layer's stride is halved
STEM = "features.0.0"  # the first convolution of all three
WEIGHTS_TAG = "IMAGENET1K_V1"  # of the published weights of all three: torchvision's `DEFAULT` may become another file
TIMM_NAMES = {"mobilenet_v3_small": "mobilenetv3_small_100"}  # of networks that have another name there
OWN_LAST = {"convnext_tiny": ("classifier.3.",)}  # the last layer after `convnext` has inserted dropout
NOT_DOWNLOADED = (
    "The pretrained weights could not be downloaded ({reason}). Connect this machine to the internet, "
    "choose a file of weights, or start from scratch."
)


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


def load_torchvision_weights(model: nn.Module, weights: str, published: str) -> nn.Module:
    """Copy into `model` the weights of the file `weights`; for "pretrained" those that torchvision downloads (only exported scripts do).

    published: the network's name in torchvision. All that fits is copied, except the last layer; names of timm are recognised. Raises SettingError.
    """
    if weights == "pretrained":
        return copy_weights(model, download(published), weights)
    return copy_weights(model, with_own_names(read_weights(Path(weights).expanduser()), published), weights)


def with_own_names(state: StateDict, published: str) -> StateDict:
    """Return `state` by the names of torchvision's network `published`, where it has those of timm (see `rename`)."""
    own, last = _original(published)
    return rename(own, state, last, lambda: _timm_order(published))


def download(published: str) -> StateDict:
    """Return the weights of torchvision's network `published`, from torch's cache or from download.pytorch.org. Raises SettingError."""
    try:
        return dict(models.get_model_weights(published)[WEIGHTS_TAG].get_state_dict(progress=False, check_hash=True))
    except (
        OSError,
        HTTPException,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:  # no network; wrong hash; damaged cache
        raise SettingError(
            NOT_DOWNLOADED.format(reason=type(error).__name__),
            "weights",
        ) from None


def fit_names(state: StateDict, published: str, weights: str) -> FittedWeights:
    """Return the tensors of `state` by the names of torchvision's network `published` (see `check_names`). Raises SettingError."""
    own, last = _original(published)
    return check_names(own, state, last, published, weights, lambda: _timm_order(published))


def _original(published: str) -> tuple[StateDict, tuple[str, ...]]:
    """Return the state dict of torchvision's network `published`, without values, and how the names of its last layer begin."""
    with torch.device("meta"):
        network: nn.Module = models.get_model(published)
    last = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]
    return network.state_dict(), (f"{last}.", *OWN_LAST.get(published, ()))


def _timm_order(published: str) -> list[str]:
    """Return the names of the tensors of timm's network of the same kind as torchvision's `published`, in the order of its layers."""
    import timm

    with torch.device("meta"):
        return list(timm.create_model(TIMM_NAMES.get(published, published)).state_dict())
