"""The layers of a network whose outputs are maps: values with a position in the image. Convolutions, and the tokens of a transformer.

In: a network and a layer's output. Out: MapLayers in the order of the forward pass, and outputs as maps (N, channels, h, w). A vision transformer
(A. Dosovitskiy and others, 2020) has one token for each patch of the image, row by row, after some that belong to no patch: class and register
tokens, which are dropped. Its layers here are the norms before the attention: behind the last attention, only the class token counts.
"""

import copy
from dataclasses import dataclass
from functools import partial
from math import isqrt

import torch
from torch import nn

from cnn_core.models.hooks import forward_plain

BEFORE_ATTENTION = "norm1"  # timm's name for the norm of the tokens that enter an attention layer, or the mixer of tokens
REORDERING = "Unroll"  # timm's name for the layer that changes the order of the tokens


@dataclass(frozen=True)
class MapLayer:
    """A layer by its dotted name, with the `channels`, `height` and `width` of its maps. kind: "convolution" or "tokens"."""

    name: str
    kind: str
    channels: int
    height: int
    width: int

    @property
    def positions(self) -> int:
        """How many positions a map has; one has no place in the image."""
        return self.height * self.width


def find_map_layers(model: nn.Module, image: torch.Tensor) -> list[MapLayer]:
    """Return the layers of `model` with maps for an image of the size of `image` (1, C, H, W), in the order of the forward pass.

    Computed on the meta device, in milliseconds. A layer that works several times is listed where it works first.
    """
    found: dict[str, MapLayer] = {}
    layers = _copy_to_meta(model)
    prefix = count_prefix_tokens(layers)

    def record(name: str, layer: nn.Module, inputs: object, outputs: torch.Tensor) -> None:
        maps = to_maps(outputs, layer, prefix) if len(outputs) == len(image) else None
        if maps is not None and name not in found:
            kind = "convolution" if isinstance(layer, nn.Conv2d) else "tokens"
            found[name] = MapLayer(name, kind, *maps.shape[1:])

    for name, layer in layers.named_modules():
        if isinstance(layer, nn.Conv2d) or has_tokens(name):
            layer.register_forward_hook(partial(record, name))
    with torch.no_grad():
        forward_plain(layers, image.to("meta"))
    return list(found.values())


def has_tokens(name: str) -> bool:
    """Whether the layer with this dotted name gives tokens where its network works with tokens."""
    return name.rpartition(".")[2] == BEFORE_ATTENTION


def count_prefix_tokens(model: nn.Module) -> int | None:
    """Return how many tokens of the network come before those of the patches, as networks of timm say; 0 for others.

    None for Hiera (C. Ryali and others, 2023), whose tokens are not in the order of the rows.
    """
    if any(type(module).__name__ == REORDERING for module in model.modules()):
        return None
    counts = (getattr(module, "num_prefix_tokens", 0) for module in model.modules())
    return next((count for count in counts if isinstance(count, int) and count), 0)


def to_maps(outputs: torch.Tensor, layer: nn.Module, prefix: int | None) -> torch.Tensor | None:
    """Return the outputs of `layer` as maps (N, channels, h, w); None where they have no places in a square image.

    outputs: (N, channels, h, w), tokens (N, tokens, channels), of which the first `prefix` are dropped, or (N, h, w, channels) of a layer norm.
    prefix: see `count_prefix_tokens`.
    """
    if outputs.ndim == 3:
        return None if prefix is None else _arrange(outputs, prefix)
    if outputs.ndim != 4 or isinstance(layer, nn.BatchNorm2d):  # such a norm follows a convolution: no tokens
        return None
    is_last = isinstance(layer, nn.LayerNorm) and "2d" not in type(layer).__name__  # timm's LayerNorm2d has channels first
    maps = outputs.movedim(-1, 1) if is_last else outputs
    return maps if not is_last or maps.shape[2] == maps.shape[3] else None


def _arrange(tokens: torch.Tensor, prefix: int) -> torch.Tensor | None:
    """Return tokens (N, tokens, channels) without those of no patch as maps (N, channels, h, w); None where the others are no square.

    Some networks drop the class token before their blocks: then none of the tokens is dropped.
    """
    count = tokens.shape[1]
    for first in (prefix, 0):
        side = isqrt(max(0, count - first))
        if side and side**2 == count - first:
            return tokens[:, first:].transpose(1, 2).reshape(len(tokens), -1, side, side)
    return None


def _copy_to_meta(model: nn.Module) -> nn.Module:
    values = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(value): value.detach().to("meta") for value in values}).eval()
