"""The order of the images in each epoch: drawn anew or as they are, cut into batches, and resumed at the same batch.

In: the labels and a batch size. Out: the indices of each batch. `Batches` reads images by it, `FeatureBatches` features.
"""

from collections.abc import Iterator
from typing import Any

import torch


class EpochOrder:
    """`shuffle` draws a new order for every epoch. The last batch may be smaller.

    labels: (N,) int64, on the device. Every iteration is a new epoch, except the first one after `load_state_dict`, which continues
    the saved epoch.
    """

    def __init__(self, labels: torch.Tensor, *, batch_size: int, shuffle: bool, seed: int) -> None:
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._device = labels.device
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._order = torch.empty(0, dtype=torch.int64)  # of the current epoch, on the CPU
        self._position, self._epochs, self._is_resuming = 0, 0, False  # batches of this epoch, epochs begun

    def __len__(self) -> int:
        """Return the number of batches in one epoch."""
        return len(self._cut(torch.empty(len(self.labels), device="meta")))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the batches that are left of an epoch: inputs (B, ...) float32, and labels (B,) or targets (B, classes)."""
        raise NotImplementedError

    @property
    def order(self) -> torch.Tensor:
        """The order of the images in the current or last epoch: (N,) int64 on the CPU."""
        return self._order

    def state_dict(self) -> dict[str, Any]:
        """Return order, position and random state, as tensors on the CPU and integers.

        A batch counts once it is yielded: a state saved while the model trains on batch k continues with batch k + 1.
        """
        return {  # keys keep the names of earlier versions
            "order": self._order,
            "given": self._position,
            "passes": self._epochs,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was saved: with the rest of its epoch, or after its last batch with a new one."""
        order = state["order"].cpu()
        assert len(order) in (0, len(self.labels)), "a state belongs to the images that it was saved with"
        self._order, self._position, self._epochs = order, state["given"], state["passes"]
        self._generator.set_state(state["generator"].cpu())
        self._is_resuming = len(order) > 0 and self._position < len(self)

    def _rest(self, order: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the batches that are left of the epoch, from its `order` of (N,) indices."""
        return self._cut(order)[self._position :]

    def _start_or_resume_epoch(self) -> None:
        if not self._is_resuming:
            self._start_epoch()
        self._is_resuming = False

    def _cut(self, order: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Cut an epoch into batches. A single image left over joins the last batch: batch normalisation of one image is undefined."""
        batches: tuple[torch.Tensor, ...] = torch.split(order, self.batch_size)
        if self.batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
            batches = (*batches[:-2], order[-self.batch_size - 1 :])
        return batches

    def _start_epoch(self) -> None:
        count = len(self.labels)
        if self.shuffle:
            self._order = torch.randperm(
                count, generator=self._generator, device=self._device
            ).cpu()  # the one synchronisation of an epoch
        else:
            self._order = torch.arange(count)
        self._position = 0
        self._epochs += 1
