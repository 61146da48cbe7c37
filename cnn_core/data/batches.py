"""Batches: images drawn from a set, augmented, normalised and mixed as whole batches on the device.

In: an ImageSet. Out: an iterator of (images (B, C, H, W) float32 in channels-last, labels (B,) int64 or, mixed, targets (B, classes)
float32) on the device. The images lie there as one uint8 tensor, or are streamed to it where they do not fit. There is no
worker process and no per-image Python: on two CPU cores that is three times the speed of a DataLoader with PIL transforms (see
benchmarks/). A pass can be written down in its midst and taken up again at the same image.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import torch

from cnn_core.data.augmentation import Augmentation, RandomDraws
from cnn_core.data.mixing import Mix
from cnn_core.data.source import ImageSet
from cnn_core.data.streaming import fits_on_device, prefetch


class Batches:
    """An ImageSet on a device, iterated in batches; `shuffle` draws a new order for every pass. The last batch may be smaller.

    `resident`: True keeps all images on the device (on the CPU that is the array or file given, not a copy), False reads them
    batch by batch, None decides by what fits; the batches are the same to the last bit. Every iteration is a new pass, but for
    the first one after `load_state_dict`, which goes on with the pass it was in.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        device: torch.device,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augmentations: tuple[Augmentation, ...] = (),
        mix: Mix | None = None,
        shuffle: bool = False,
        seed: int = 0,
        resident: bool | None = None,
    ) -> None:
        self.labels = torch.from_dlpack(images.labels).to(device)
        self.batch_size = batch_size
        self.augmentations = augmentations
        self.mix = mix
        self.shuffle = shuffle
        self._device = device
        # from_dlpack, unlike from_numpy, takes a read-only file as it is and without a warning; nothing here writes to it.
        keeps = fits_on_device(images, device) if resident is None else resident
        pool, rows = images.pool, images.rows
        if keeps and device.type != "cpu":  # only what is trained on is sent there
            pool, rows = images.images, None
        self._pool = torch.from_dlpack(pool).to(device) if keeps else pool  # (M, H, W, C) uint8
        self._rows = None if rows is None else torch.from_numpy(rows)  # (N,) int64: where the images are in the pool
        self._normalise = Normalise(mean, std, device)
        self._generator = torch.Generator(device).manual_seed(seed)
        self._order = torch.empty(0, dtype=torch.int64)  # of the present pass, on the CPU
        self._given, self._passes, self._is_resuming = 0, 0, False

    def __len__(self) -> int:
        """Batches in one pass."""
        return len(self._cut(torch.empty(len(self.labels), device="meta")))

    @property
    def order(self) -> torch.Tensor:
        """The images of the present pass, or of the last one, in the order in which they are given: (N,) int64 on the CPU."""
        return self._order

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if not self._is_resuming:
            self._begin_pass()
        self._is_resuming = False
        order = self._cut(self._order.to(self._device))[self._given :]
        places = self._order if self._rows is None else self._rows[self._order]
        if isinstance(self._pool, torch.Tensor):
            parts = (self._pool.index_select(0, some) for some in self._cut(places.to(self._device))[self._given :])
        else:
            parts = prefetch(self._pool, self._cut(places)[self._given :], self._device)
        with closing(parts):  # a consumer that stops early leaves no reading thread behind
            for chosen, images in zip(order, parts, strict=True):
                view = RandomDraws(chosen, self._passes - 1, self._generator)
                images, labels = images.permute(0, 3, 1, 2), self.labels[chosen]  # (B, C, H, W), channels-last
                for augment in self.augmentations:
                    images = augment(images, view)
                images = self._normalise(images)
                if self.mix:
                    images, labels = self.mix(images, labels, view)
                self._given += 1
                yield images, labels

    def state_dict(self) -> dict[str, Any]:
        """Where the pass stands and what it would draw next, as tensors on the CPU and whole numbers.

        A batch counts as given once it was yielded: taken while batch k is worked on, the state goes on with batch k + 1.
        """
        return {
            "order": self._order,
            "given": self._given,
            "passes": self._passes,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the Batches of `state` stood: with the rest of its pass, or after its last batch with a new one."""
        order = state["order"].cpu()
        assert len(order) in (0, len(self.labels)), "a state goes with the images it was taken from"
        self._order, self._given, self._passes = order, state["given"], state["passes"]
        self._generator.set_state(state["generator"].cpu())
        self._is_resuming = len(order) > 0 and self._given < len(self)

    def _cut(self, order: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The pass in batches. A single image left over joins the last batch: norms over a batch of one have no deviation."""
        parts = order.split(self.batch_size)
        if self.batch_size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
            parts = (*parts[:-2], order[-self.batch_size - 1 :])
        return parts

    def _begin_pass(self) -> None:
        count = len(self.labels)
        if self.shuffle:
            self._order = torch.randperm(count, generator=self._generator, device=self._device).cpu()  # the one sync of a pass
        else:
            self._order = torch.arange(count)
        self._given = 0
        self._passes += 1


class Normalise:
    """uint8 images (N, C, H, W) to float32 with mean 0 and deviation 1 per channel of the training images, channels-last.

    mean, std: per channel, in units of full brightness (0..1).
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._scale = (1 / (255 * torch.tensor(std, device=device))).view(1, -1, 1, 1)
        self._shift = (torch.tensor(mean, device=device) / torch.tensor(std, device=device)).view(1, -1, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.float() * self._scale - self._shift).contiguous(memory_format=torch.channels_last)
