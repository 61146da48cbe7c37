"""Dead channels: those whose ReLU is zero for all images. Their gradient is zero too, so they no longer train.

In: a model whose ReLU layers are monitored during a `with` block. Out: the fraction of dead channels.
"""

from types import TracebackType

import torch
from torch import nn


def active_channels(outputs: torch.Tensor) -> torch.Tensor:
    """Return which channels are positive anywhere, (C,) bool. outputs: (N, C, ...), or tokens (N, tokens, C)."""
    return (outputs > 0).movedim(-1 if outputs.ndim == 3 else 1, 0).flatten(1).any(1)


class ActivationMonitor:
    """Monitors the ReLU layers of `model` during the block; read `dead_fraction` afterwards."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = [module for module in model.modules() if isinstance(module, nn.ReLU)]
        self._is_active: dict[nn.Module, torch.Tensor] = {}  # layer -> (C,) bool, on its device
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "ActivationMonitor":
        self._hooks = [layer.register_forward_hook(self._record) for layer in self._layers]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    def _record(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> None:
        """outputs: as for `active_channels`. A channel of a layer that is used twice is active if it is in either use."""
        active = active_channels(outputs)
        before = self._is_active.get(layer)
        self._is_active[layer] = active if before is None or before.shape != active.shape else before | active

    @property
    def dead_fraction(self) -> float | None:
        """The fraction (0..1) of channels that were zero for all images; None without ReLU layers."""
        if not self._is_active:
            return None
        return 1 - torch.cat(list(self._is_active.values())).float().mean().item()
