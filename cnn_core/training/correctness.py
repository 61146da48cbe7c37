"""Which images were classified correctly in the current epoch: recorded while it trains, read at its end.

In: for every batch, which of its images were classified correctly (computed for the accuracy). Out: one bool for each image.
Recording waits for the device only at the end of the epoch and draws no random numbers: the weights are the same to the bit without it.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

MAX_TENSORS = 1_000  # batches stored as separate tensors: on a GPU even the smallest tensor takes 512 bytes


@dataclass
class CorrectnessTracker:
    """Correctness of the training images in the order of the epoch, and of the validation images after the epoch (V,) bool.

    A training image is correct when the predicted class is the one with the larger weight in its target: for a mixed image that may
    be the class of the other image.
    """

    validation: torch.Tensor | None = None
    _batches: list[torch.Tensor] = field(default_factory=list)  # (B,) bool each, on the device

    def begin_epoch(self) -> None:
        """Discard what was recorded for the last epoch."""
        self._batches, self.validation = [], None

    def record(self, is_correct: torch.Tensor) -> None:
        """Add the next batch of the epoch: is_correct (B,) bool on the device."""
        self._batches.append(is_correct)
        if len(self._batches) > MAX_TENSORS:
            self._batches = [torch.cat(self._batches)]

    def by_image(self, order: torch.Tensor) -> torch.Tensor | None:
        """Return the correctness of every training image (N,) bool on the CPU. `order` (N,): the image at each position of the epoch.

        None when some batches were not recorded: the epoch began in a version that did not record. Waits for the device.
        """
        if sum(map(len, self._batches)) != len(order):
            return None
        by_image = torch.empty(len(order), dtype=torch.bool)
        by_image[order] = torch.cat(self._batches).cpu()
        return by_image

    def state_dict(self) -> dict[str, Any]:
        """Return what an unfinished epoch has recorded. Waits for the device."""
        is_over = self.validation is not None or not self._batches
        # The key keeps the name of earlier versions.
        return {"shown": None if is_over else torch.cat(self._batches).cpu()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue from `state` with the tensors on `device`."""
        self.begin_epoch()
        if state["shown"] is not None:
            self._batches = [state["shown"].to(device)]
