"""A model as a sequence of blocks, for a picture of it: what each block is, its output and its parameters.

In: a family's name, an input shape, settings. Out: a `NetworkBlock` for each layer with weights, or for each repeated group of layers, computed on
the meta device, where nothing is allocated. The blocks are those of the module that `build_model` returns, in the order in which they run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from cnn_core.models.registry import build_on_meta, pick_options

CONTAINERS = (nn.Sequential, nn.ModuleList)
BLOCKS = {  # what the residual blocks of our families and of timm's networks are called
    "Block": "residual block",
    "Residual": "residual block",
    "InvertedResidual": "inverted residual block",
    "DepthwiseSeparableConv": "depthwise separable block",
    "MBConv": "inverted residual block",
    "CNBlock": "ConvNeXt block",
    "ConvNeXtBlock": "ConvNeXt block",
    "BasicBlock": "residual block",
    "Bottleneck": "residual block",
    "EdgeResidual": "residual block",
    "UniversalInvertedResidual": "inverted residual block",
}
GLOBAL_POOLINGS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)  # blocks of their own: one pixel of each channel remains
LEFT_OUT = ("Flatten", "Dropout", "Identity", "Scale")
WORDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("max pooling", (nn.MaxPool2d, nn.AdaptiveMaxPool2d)),
    ("mean pooling", (nn.AvgPool2d, nn.AdaptiveAvgPool2d)),
    ("batch norm", (nn.BatchNorm2d,)),
    ("layer norm", (nn.LayerNorm,)),
)


@dataclass(frozen=True)
class NetworkBlock:
    """One block.

    kind: "convolution 3×3", "residual block", "linear layer". details: layers without a weight matrix that follow inside it, such as
    "batch norm" and "ReLU". shape: of its output for one image, (C, H, W) or (units,). parameters: trainable ones of all repeats.
    """

    kind: str
    details: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    repeats: int = 1


def describe_blocks(name: str, *, channels: int, image_size: int, classes: int, **options: Any) -> tuple[NetworkBlock, ...]:
    """Return the blocks of the model that `build_model` would build. Raises SettingError as that does."""
    return _describe_blocks(name, channels, image_size, classes, **pick_options(name, options))


@lru_cache(maxsize=64)
def _describe_blocks(name: str, channels: int, image_size: int, classes: int, **options: Any) -> tuple[NetworkBlock, ...]:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options).eval()
    return trace_blocks(model, torch.empty(1, channels, image_size, image_size, device="meta"))


def trace_blocks(model: nn.Module, images: torch.Tensor) -> tuple[NetworkBlock, ...]:
    """Return the blocks of a model, from one forward pass of `images` (1, C, H, W)."""
    ran: list[tuple[nn.Module, tuple[int, ...]]] = []
    hooks = [
        unit.register_forward_hook(lambda unit, inputs, output: ran.append((unit, tuple(output.shape[1:]))))
        for unit in _units(model)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return _merge_repeats(_merge_small_layers(ran))


def _units(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers and residual blocks of a model, without what is inside of them."""
    for child in module.children():
        is_whole = type(child).__name__ in BLOCKS or isinstance(
            child, nn.BatchNorm2d
        )  # timm's batch norms contain their activation
        if isinstance(child, CONTAINERS) or (list(child.children()) and not is_whole):
            yield from _units(child)
        else:
            yield child


def _merge_small_layers(ran: list[tuple[nn.Module, tuple[int, ...]]]) -> list[NetworkBlock]:
    """Return a block for every unit with a weight matrix; norms, activations and poolings belong to the block before them."""
    blocks: list[NetworkBlock] = []
    for unit, shape in ran:
        if type(unit).__name__ in LEFT_OUT:
            continue
        parameters = sum(parameter.numel() for parameter in unit.parameters() if parameter.requires_grad)
        if not blocks or isinstance(unit, GLOBAL_POOLINGS) or any(parameter.ndim > 1 for parameter in unit.parameters()):
            blocks.append(NetworkBlock(_kind(unit), (), shape, parameters))
            continue
        before = blocks[-1]
        details = (*before.details, _kind(unit))
        blocks[-1] = replace(before, details=details, shape=shape, parameters=before.parameters + parameters)
    return blocks


def _merge_repeats(blocks: list[NetworkBlock]) -> tuple[NetworkBlock, ...]:
    """Return the blocks, where residual blocks of one kind and output shape that follow each other are one block."""
    merged: list[NetworkBlock] = []
    for block in blocks:
        before = merged[-1] if merged else None
        if before and block.kind in BLOCKS.values() and (before.kind, before.shape) == (block.kind, block.shape):
            parameters, details = before.parameters + block.parameters, block.details
            merged[-1] = replace(before, repeats=before.repeats + 1, parameters=parameters, details=details)
        else:
            merged.append(block)
    return tuple(merged)


def _kind(unit: nn.Module) -> str:
    """Return what a layer or a residual block is called."""
    if isinstance(unit, nn.Conv2d):
        return f"convolution {unit.kernel_size[0]}×{unit.kernel_size[1]}"
    if isinstance(unit, nn.Linear):
        return "linear layer"
    name = type(unit).__name__
    return next((word for word, types in WORDS if isinstance(unit, types)), BLOCKS.get(name, name))
