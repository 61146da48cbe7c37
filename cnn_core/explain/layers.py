"""A network's layers by name, and a twin of it to listen to or to change. In: a model that others use too. Out: nothing of it changes.

A network is shared by all sessions of a server, and a hook on it would be everybody's. A twin has modules of its own over the same
numbers: made in milliseconds, without memory worth telling, and gone with whoever made it.
"""

import copy

import torch
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid)


def hookable_copy(model: nn.Module) -> nn.Module:
    """The same network in evaluation mode, on the same weights, which are frozen in it: hooks and modes of one are not the other's."""
    shared: dict[int, object] = {id(value): value for value in model.buffers()}
    shared |= {id(value): nn.Parameter(value.detach(), requires_grad=False) for value in model.parameters()}
    return copy.deepcopy(model, shared).eval()


def conv_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every convolution by its dotted name, in the order of the forward pass, which is that in which our families make their layers."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}


def forward_plain(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Logits (n, classes) of the images (n, C, H, W) as they are: without the average over mirrored images that a card may ask for.

    Only hooks of the network as a whole are passed over; those of its layers are called, and once.
    """
    return model.forward(images)
