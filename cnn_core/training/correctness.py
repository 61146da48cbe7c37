"""Which images the network had right in the present epoch: noted while it trains, read when the epoch is over.

In: for every batch, which of its images were classified right when they were shown; it is known anyway, for the accuracy. Out: one truth
value an image. Nothing waits for the device before the end of the epoch, and nothing is drawn, so training is the same bits with it.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

PIECES = 1_000  # batches kept apart: on a GPU even the smallest tensor takes 512 bytes


@dataclass
class CorrectnessTracker:
    """Of the training images in the order in which they were shown, and of the validation images after the epoch (V,) bool.

    A training image is right when the class with the larger share of its target was held most probable: of a mixed image that may be its
    partner's class.
    """

    validated: torch.Tensor | None = None
    _shown: list[torch.Tensor] = field(default_factory=list)  # (B,) bool each, on the device

    def begin_epoch(self) -> None:
        self._shown, self.validated = [], None

    def note(self, is_right: torch.Tensor) -> None:
        """The next batch of the pass: is_right (B,) bool on the device."""
        self._shown.append(is_right)
        if len(self._shown) > PIECES:
            self._shown = [torch.cat(self._shown)]

    def by_image(self, order: torch.Tensor) -> torch.Tensor | None:
        """Of every training image (N,) bool on the CPU; `order` (N,) says which image was shown when. None when the pass is not known as a
        whole: it went on from a checkpoint that did not have this. Waits for the device."""
        if sum(map(len, self._shown)) != len(order):
            return None
        by_image = torch.empty(len(order), dtype=torch.bool)
        by_image[order] = torch.cat(self._shown).cpu()
        return by_image

    def state_dict(self) -> dict[str, Any]:
        """What was noted in an epoch that is not over yet; taken between two events, it waits for the device."""
        is_over = self.validated is not None or not self._shown
        return {"shown": None if is_over else torch.cat(self._shown).cpu()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        self.begin_epoch()
        if state["shown"] is not None:
            self._shown = [state["shown"].to(device)]
