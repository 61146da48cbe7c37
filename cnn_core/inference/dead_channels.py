"""Which channels of a network never fire: a ReLU whose inputs are all negative passes nothing on and learns nothing more.

In: a model, whose ReLU layers are listened to while it works in a `with` block. Out: the share of their channels that stayed zero.
"""

from types import TracebackType

import torch
from torch import nn


def active_channels(outputs: torch.Tensor) -> torch.Tensor:
    """Which channels have a positive number anywhere, (C,) bool. outputs: (N, C, ...)."""
    return (outputs > 0).movedim(1, 0).flatten(1).any(1)


class ActivationMonitor:
    """Listens to the ReLU layers of `model` inside the block; `dead_share` is asked for afterwards."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = [module for module in model.modules() if isinstance(module, nn.ReLU)]
        self._has_fired: dict[nn.Module, torch.Tensor] = {}  # layer -> (C,) bool, on its device
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "ActivationMonitor":
        self._hooks = [layer.register_forward_hook(self._listen) for layer in self._layers]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    def _listen(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> None:
        """outputs: (N, C, ...). A layer that a network uses twice has fired when either use has."""
        fired = active_channels(outputs)
        before = self._has_fired.get(layer)
        self._has_fired[layer] = fired if before is None or before.shape != fired.shape else before | fired

    @property
    def dead_share(self) -> float | None:
        """Channels that stayed zero for all that was shown, as a share (0..1) of all channels; None without ReLU layers."""
        if not self._has_fired:
            return None
        return 1 - torch.cat(list(self._has_fired.values())).float().mean().item()
