"""Models without values, into which the tensors of a state dict are loaded. In: a function that builds a model. Out: the model."""

from collections.abc import Callable

import torch
from torch import nn


def build_for_state(build: Callable[[], nn.Module]) -> nn.Module:
    """Return the model that `build` returns, for a state that replaces all values: on the meta device, where nothing is drawn or allocated.

    A network with buffers that are not in its state dict, such as the position indices of some transformers, is built on the CPU instead, and the
    global random numbers stay as they were.
    """
    with torch.device("meta"):
        model = build()
    if {name for name, _ in model.named_buffers()} <= model.state_dict().keys():
        return model
    with torch.random.fork_rng(devices=[]):
        return build()
