"""The cost of training a part of a pretrained network: its head alone, or with the last blocks.

In: a family's name, an input shape, the number of blocks that learn. Out: a `PartialCost`, computed on the meta device, where nothing is
allocated. What the features of all images take, a few kilobytes for each, is not part of it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from cnn_core.models.cost import OPTIMIZER_COPIES, activation_bytes
from cnn_core.models.layer_groups import learning_names
from cnn_core.models.registry import build_on_meta, find_family, pick_options

FORWARD_IMAGES = 32  # images of which features are computed at a time


@dataclass(frozen=True)
class PartialCost:
    """parameters: those that learn. memory_bytes: the weights of the whole network; gradients and two moments of the optimizer for those that
    learn; and the activations that are kept for the backward pass, or the largest ones of a forward pass, which are not kept."""

    parameters: int
    memory_bytes: int


def partial_cost(
    name: str, *, channels: int, image_size: int, classes: int, batch_size: int, blocks: int, **options: Any
) -> PartialCost:
    """Return the cost of training the head and the last `blocks` blocks of the model that `build_model` would build. Raises SettingError as
    that does."""
    return _partial_cost(name, channels, image_size, classes, batch_size, blocks, **pick_options(name, options))


@lru_cache(maxsize=256)
def _partial_cost(
    name: str, channels: int, image_size: int, classes: int, batch_size: int, blocks: int, **options: Any
) -> PartialCost:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    names = learning_names(model, find_family(name).head, blocks)
    learning = [parameter for path, parameter in model.named_parameters() if path in names]
    moments = sum(p.numel() * p.element_size() for p in learning) * (1 + OPTIMIZER_COPIES)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    shape = (channels, image_size, image_size)
    activations = forward_bytes(model, torch.empty(FORWARD_IMAGES, *shape, device="meta"))
    if blocks:
        for path, parameter in model.named_parameters():
            parameter.requires_grad_(path in names)
        images = max(batch_size, 2)  # batch norm needs two
        activations = max(activations, activation_bytes(model, torch.empty(images, *shape, device="meta")) * batch_size // images)
    return PartialCost(sum(p.numel() for p in learning), weights + moments + activations)


def forward_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Return the bytes of the largest input and output of a layer when `model.eval()` is applied to `images` (N, C, H, W)."""
    largest = 0

    def measure(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal largest
        tensors = (value for value in (*inputs, output) if isinstance(value, torch.Tensor))
        largest = max(largest, sum(tensor.numel() * tensor.element_size() for tensor in tensors))

    layers = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(measure) for layer in layers]
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return largest
