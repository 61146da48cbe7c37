"""Networks from timm, the library of image networks and their pretrained weights (R. Wightman, 2019).

In: an input shape and a network's name. Out: modules from images (N, channels, S, S) to logits (N, classes). Importing this module takes seconds,
because timm imports torchvision and huggingface_hub; the registry imports it when such a network is built. Which files of weights are here, and
fetching them: see `weights_source`.
"""

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.starting_weights import FittedWeights, StateDict, check_names, read_weights

CLOSEST = 3  # names that are suggested for an unknown one
UNKNOWN_NAME = "timm {version} has no network called “{name}”. Choose {closest}."
FROM_TABLE = "one of the table"
TORCHVISION_NAMES = {
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "mobilenetv3_large_100": "mobilenet_v3_large",
}  # others are equal
UNFIT_SIDE = (
    "The network {name} cannot be built for images of {side}×{side} pixels ({reason}). Choose another network, or images of the size "
    "that it was trained on: {expected}×{expected}."
)


def efficientnet_lite0(*, channels: int, image_size: int, classes: int, dropout: float = 0.2) -> nn.Module:
    """Return EfficientNet-Lite0 (M. Tan and Q. Le, 2019; Google's variant for phones: ReLU6, no squeeze-and-excitation). It takes any side."""
    model: nn.Module = timm.create_model("tf_efficientnet_lite0", in_chans=channels, num_classes=classes)
    head = model.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    model.classifier = _make_classifier(head.in_features, classes, dropout)  # timm's dropout is a function without a layer
    return model


def _make_classifier(features: int, classes: int, dropout: float) -> nn.Sequential:
    """Return dropout and a linear layer with small weights; timm's starts with weights of 1 / sqrt(classes): confident and wrong."""
    last = nn.Linear(features, classes)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Dropout(dropout), last)


class TimmNetwork(nn.Module):
    """A network of timm without its last layer (`backbone`), dropout and a new last layer (`classifier`).

    `forward` maps images (N, channels, image_size, image_size) to logits (N, classes).
    """

    def __init__(self, name: str, channels: int, image_size: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.name, self.channels, self.image_size = name, channels, image_size
        features = count_features(name, channels, image_size)
        self.backbone = create_backbone(name, channels, image_size)
        self.classifier = _make_classifier(features, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.backbone(images))
        return logits


def timm_network(*, channels: int, image_size: int, classes: int, timm_name: str, dropout: float = 0.2) -> TimmNetwork:
    """Return the network that timm calls `timm_name`. Raises SettingError for a name that timm does not have and images that do not fit."""
    return TimmNetwork(timm_name, channels, image_size, classes, dropout)


def create_backbone(name: str, channels: int, image_size: int, **options: Any) -> nn.Module:
    """Return timm's network without its last layer: images (N, channels, image_size, image_size) to features (N, features)."""
    side: dict[str, Any] = {"img_size": image_size} if find_config(name)["fixed_input_size"] else {}
    backbone: nn.Module = timm.create_model(name, num_classes=0, in_chans=channels, **side, **options)
    return backbone


@lru_cache(maxsize=64)
def count_features(name: str, channels: int, image_size: int) -> int:
    """Return the number of features that the last layer receives, from a forward pass on the meta device. Raises SettingError."""
    expected = find_config(name)["input_size"][-1]
    try:
        with torch.device("meta"), torch.no_grad():
            backbone = create_backbone(name, channels, image_size).eval()
            features = backbone(torch.empty(1, channels, image_size, image_size))
        return int(features.flatten(1).shape[1] if features.ndim == 2 else features.shape[features.ndim])
    except Exception as error:  # 1,300 networks refuse an image in many ways
        reason = str(error).strip().partition("\n")[0][:120].rstrip(" .;:") or type(error).__name__
        raise SettingError(
            UNFIT_SIDE.format(name=name, side=image_size, reason=reason, expected=expected),
            "timm_name",
        ) from None


@lru_cache(maxsize=256)
def find_config(name: str) -> dict[str, Any]:
    """Return what timm knows of the pretrained weights `name`, "network" or "network.tag". Raises SettingError with the closest names."""
    try:
        config = timm.get_pretrained_cfg(
            name
        )  # a name that would load something from elsewhere, as "hf-hub:…", is not among them
    except (RuntimeError, ValueError, KeyError):
        config = None
    if config is None or not timm.is_model(name.partition(".")[0]):
        known = [*timm.list_models(), *timm.list_pretrained()] if "." in name else timm.list_models()
        closest = get_close_matches(name.lower(), known, CLOSEST, cutoff=0.5)
        raise SettingError(
            UNKNOWN_NAME.format(version=timm.__version__, name=name, closest=" or ".join(closest) or FROM_TABLE), "timm_name"
        )
    return dict(vars(config))


def full_name(name: str) -> str:
    """Return the name with the tag of its weights: "resnet50.a1_in1k" for "resnet50", whose weights timm chooses. Raises SettingError."""
    tag = find_config(name)["tag"]
    return f"{name.partition('.')[0]}.{tag}" if tag else name


def load_timm_weights(model: TimmNetwork, weights: str) -> TimmNetwork:
    """Copy into the backbone of `model` the weights of the file `weights`; for "pretrained" those that timm downloads (only exported scripts do).

    timm adapts them: the first layer to grey images, position embeddings to the image size. Raises SettingError for another network's weights.
    """
    source = {} if weights == "pretrained" else {"state_dict": fit_names(read_weights(Path(weights)), model.name, weights).state}
    options = {"pretrained": True, "pretrained_cfg_overlay": source}
    filled = create_backbone(model.name, model.channels, model.image_size, **options)
    model.backbone.load_state_dict(filled.state_dict())
    return model


def fit_names(state: StateDict, name: str, weights: str) -> FittedWeights:
    """Return the tensors of `state` by timm's names for the network `name`, without the last layer (see `check_names`). Raises SettingError."""
    with torch.device("meta"):
        network: nn.Module = timm.create_model(name)
    heads = find_config(name)["classifier"] or ()
    last = tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))
    return check_names(network.state_dict(), state, last, name, weights, lambda: _torchvision_order(name))


def _torchvision_order(name: str) -> list[str]:
    """Return the names of the tensors of torchvision's network of the same kind, in the order of its layers; [] without one."""
    architecture = name.partition(".")[0]
    with torch.device("meta"):
        theirs = TORCHVISION_NAMES.get(architecture, architecture)
        return list(models.get_model(theirs).state_dict()) if theirs in models.list_models() else []
