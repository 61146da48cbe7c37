"""The cost of training a pretrained network's head alone, on features that the frozen layers compute once.

In: a family's name and an input shape. Out: a `HeadCost`, computed on the meta device, where nothing is allocated. What the features of all images
take, a few kilobytes for each, is not part of it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from cnn_core.models.cost import OPTIMIZER_COPIES
from cnn_core.models.registry import build_on_meta, find_family, pick_options

FORWARD_IMAGES = 32  # images of which features are computed at a time


@dataclass(frozen=True)
class HeadCost:
    """parameters: those that learn. memory_bytes: the weights of the whole network; gradients and two moments of the optimizer for those that
    learn; and the largest activations of a forward pass, which are not kept."""

    parameters: int
    memory_bytes: int


def head_cost(name: str, *, channels: int, image_size: int, classes: int, **options: Any) -> HeadCost:
    """Return the cost of training the head of the model that `build_model` would build. Raises SettingError as that does."""
    return _head_cost(name, channels, image_size, classes, **pick_options(name, options))


@lru_cache(maxsize=256)
def _head_cost(name: str, channels: int, image_size: int, classes: int, **options: Any) -> HeadCost:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    learning = list(model.get_submodule(find_family(name).head).parameters())
    moments = sum(p.numel() * p.element_size() for p in learning) * (1 + OPTIMIZER_COPIES)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    images = torch.empty(FORWARD_IMAGES, channels, image_size, image_size, device="meta")
    return HeadCost(sum(p.numel() for p in learning), weights + moments + forward_bytes(model, images))


def forward_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Return the bytes of the largest input and output of a layer when `model.eval()` is applied to `images` (N, C, H, W)."""
    largest = 0

    def measure(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal largest
        largest = max(largest, sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, output)))

    layers = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(measure) for layer in layers]
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return largest
