"""A model's layers by name, and a copy of the model for hooks and changes. The model itself is never changed.

A model is shared by all sessions of a server, so a hook on it would affect them all. A hookable copy has its own modules over the same
parameters: it takes milliseconds and hardly any memory.
"""

import copy

import torch
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid, nn.Mish, nn.PReLU, nn.Tanh)
TIMM_ACTIVATIONS = "timm.layers.activations"  # its module with layers that compute the same as torch's


def hookable_copy(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode that shares the weights, frozen, but not the hooks and modes."""
    shared: dict[int, object] = {id(value): value for value in model.buffers()}
    shared |= {id(value): nn.Parameter(value.detach(), requires_grad=False) for value in model.parameters()}
    return copy.deepcopy(model, shared).eval()


def is_activation(layer: nn.Module) -> bool:
    """Whether `layer` is an activation, of torch or of timm; a sigmoid is a gate."""
    kind = type(layer)
    return isinstance(layer, ACTIVATIONS) or (kind.__module__ == TIMM_ACTIVATIONS and kind.__name__ != "Sigmoid")


def conv_layers(model: nn.Module) -> dict[str, nn.Conv2d]:
    """Return the convolutions by dotted name as the network defines them: in our own families in the order of the forward pass."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}


def find_last_linear(model: nn.Module) -> nn.Linear | None:
    """Return the last linear layer, which is the last layer of each of our model families; None if there is none."""
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    return linear[-1] if linear else None


def forward_plain(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits (n, classes) of images (n, C, H, W) without horizontal-flip test-time augmentation.

    Hooks of the whole model are skipped; those of its layers are called once.
    """
    logits: torch.Tensor = model.forward(images)
    return logits
