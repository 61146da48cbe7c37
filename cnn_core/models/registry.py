"""The model families by name. In: a family's name, an input shape, settings. Out: a module, or its parameter count.

To add a family: write its file beside this one and add a line to `FAMILIES`; form, command line and tests follow.
Importing this module does not import torch.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from cnn_core.errors import SettingError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Family:
    """One kind of network. `target` is "module:class"; `smallest` the least image side (pixels) that its pooling leaves something of."""

    name: str
    title: str
    help: str
    target: str
    smallest: int


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="simple",
            title="SimpleCNN",
            help="Three convolution blocks and three fully connected layers: the tutorial's network, about half a million parameters.",
            target="cnn_core.models.simple:SimpleCNN",
            smallest=8,
        ),
    )
}


def build_model(name: str, *, channels: int, image_size: int, classes: int, dropout: float) -> "nn.Module":
    """A freshly initialised network mapping images (N, channels, image_size, image_size) to logits (N, classes).

    Raises SettingError for an unknown name or an image side below the family's smallest.
    """
    if name not in FAMILIES:
        raise SettingError(f"Model “{name}” is unknown. Choose one of: {', '.join(FAMILIES)}.", "model")
    family = FAMILIES[name]
    if image_size < family.smallest:
        raise SettingError(
            f"{family.title} needs images of at least {family.smallest}×{family.smallest} pixels; these are {image_size}×{image_size}.",
            "model",
        )
    module, _, class_name = family.target.partition(":")
    return getattr(import_module(module), class_name)(channels=channels, image_size=image_size, classes=classes, dropout=dropout)


@lru_cache(maxsize=64)
def count_parameters(name: str, *, channels: int, image_size: int, classes: int) -> int:
    """How many trainable numbers the network has, counted on the meta device (nothing is allocated)."""
    import torch

    with torch.device("meta"):
        model = build_model(name, channels=channels, image_size=image_size, classes=classes, dropout=0.0)
    return sum(parameter.numel() for parameter in model.parameters())
