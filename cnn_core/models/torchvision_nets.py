"""Networks that torchvision brings, made fit for small and for grey pictures; from scratch, or from weights trained elsewhere.

In: an input shape, `weights` ("scratch", "pretrained", or a path). Out: modules from images (N, channels, S, S), S from 16, to
logits (N, classes). All three divide the side by 32 on their way, which leaves a 32×32 image one pixel; for images up to 64×64 the
stem's stride is halved, so four are left. Kernels keep their shapes, so ImageNet weights fit either way.
Sources: A. Howard et al., Searching for MobileNetV3, 2019; M. Tan and Q. Le, EfficientNet, 2019; Z. Liu et al., A ConvNet for the
2020s, 2022. Pretrained weights come from download.pytorch.org and stay in torch's own cache.
"""

import pickle
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.registry import find_weights

SMALL = 64
STEM = "features.0.0"
State = dict[str, torch.Tensor]


def mobilenet(*, channels: int, image_size: int, classes: int, dropout: float = 0.2, weights: str = "scratch") -> nn.Module:
    """MobileNetV3 small. Its batch norms forget ten times faster than torchvision's: those take 300 steps to be of any use."""
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.1)
    model = models.mobilenet_v3_small(num_classes=classes, dropout=dropout, norm_layer=norm)
    _fit_stem(model, channels, image_size)
    return _start_from(weights, model, models.MobileNet_V3_Small_Weights.DEFAULT)


def efficientnet(*, channels: int, image_size: int, classes: int, dropout: float = 0.2, weights: str = "scratch") -> nn.Module:
    """EfficientNet-B0, with the stochastic depth of its paper in training."""
    model = models.efficientnet_b0(num_classes=classes, dropout=dropout)
    _fit_stem(model, channels, image_size)
    return _start_from(weights, model, models.EfficientNet_B0_Weights.DEFAULT)


def convnext(*, channels: int, image_size: int, classes: int, dropout: float = 0.0, weights: str = "scratch") -> nn.Module:
    """ConvNeXt tiny; the dropout before its last layer is ours."""
    model = models.convnext_tiny(num_classes=classes)
    model.classifier.insert(2, nn.Dropout(dropout))
    _fit_stem(model, channels, image_size)
    return _start_from(weights, model, models.ConvNeXt_Tiny_Weights.DEFAULT)


def _fit_stem(model: nn.Module, channels: int, image_size: int) -> None:
    """Replace the first convolution by one for `channels`, at half the stride where images are small."""
    old = model.get_submodule(STEM)
    new = nn.Conv2d(
        channels, old.out_channels, old.kernel_size, old.stride, old.padding, groups=old.groups, bias=old.bias is not None
    )
    if image_size <= SMALL:
        new.stride = tuple(stride // 2 for stride in old.stride)
        new.padding = tuple((size - 1) // 2 for size in old.kernel_size)  # n pixels become n / stride, for kernels of 3 and of 4
    model.set_submodule(STEM, new)


def _start_from(weights: str, model: nn.Module, published: models.WeightsEnum) -> nn.Module:
    """Fill `model` from `weights`. Raises SettingError with the remedy where that cannot be."""
    if weights == "scratch":
        return model
    state = download(published) if weights == "pretrained" else read_weights(Path(weights).expanduser())
    if not take_fitting(model, state):
        raise SettingError(
            f"No weights in “{weights}” fit this network. Choose a file of the same kind of network, or start from scratch.",
            "weights",
        )
    return model


def download(published: models.WeightsEnum) -> State:
    """torchvision's ImageNet weights, from its cache or the network. Raises SettingError where neither has them."""
    try:
        return dict(published.get_state_dict(progress=False, check_hash=True))
    except (
        OSError,
        HTTPException,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:  # no network; wrong hash; damaged cache
        raise SettingError(
            f"The pretrained weights could not be downloaded ({type(error).__name__}). Connect this machine to the internet, "
            "name a file that you have, or start from scratch.",
            "weights",
        ) from None


def read_weights(path: Path) -> State:
    """The tensors of a .safetensors or .pth file by name; nothing in it is ever run. Raises SettingError for any other file."""
    find_weights(path)
    try:
        state = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        state = state.get("state_dict", state)  # checkpoints often keep the weights beside other things
        return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    except SettingError:
        raise
    except Exception:  # what reading a damaged file raises is anybody's guess
        raise SettingError(
            f"The weights in “{path}” cannot be read. Choose a state dict in a pth or safetensors file, or start from scratch.",
            "weights",
        ) from None


def _read_safetensors(path: Path) -> State:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise SettingError(
            "Files of type safetensors need a package that is not installed. Install it with: pip install safetensors.",
            "weights",
        ) from None
    return load_file(path)


def take_fitting(model: nn.Module, state: State) -> int:
    """Copy into `model` what fits by name and shape, all but the last layer, and say how many kernels and matrices that were.

    A stem for three colours becomes one for grey by summing over them: a grey image has the same value in all three.
    """
    own: dict[str, Any] = dict(model.state_dict())
    stem = state.get(f"{STEM}.weight")
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3 and own[f"{STEM}.weight"].shape[1] == 1:
        state = {**state, f"{STEM}.weight": stem.sum(1, keepdim=True)}
    head = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    fitting = {
        name: value
        for name, value in state.items()
        if name in own
        and not name.startswith(f"{head}.")
        and value.shape == own[name].shape
        and value.device.type == "cpu"
        and value.layout == torch.strided
        and not value.is_quantized
        and value.is_floating_point() == own[name].is_floating_point()
    }
    model.load_state_dict(fitting, strict=False)
    return sum(value.ndim >= 2 for value in fitting.values())
