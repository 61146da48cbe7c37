"""Batches: images drawn from a set, augmented, normalised and mixed as whole batches on the device.

In: an ImageSet. Out: an iterator of (images (B, C, H, W) float32 in channels-last, labels (B,) int64 or, mixed, targets (B, classes)
float32) on the device. The images are one uint8 tensor on the device, or are streamed to it where they do not fit. There is
no worker process and no Python code for single images: on two CPU cores that is three times the speed of a DataLoader with PIL transforms (see
benchmarks/). The state within an epoch can be saved, and training resumed at the same image.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

import torch
from torch.utils.dlpack import from_dlpack

from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.mixing import Mix
from cnn_core.data.random_draws import Augmentation, RandomDraws
from cnn_core.data.source import ImageSet
from cnn_core.data.streaming import fits_on_device, prefetch

SAMPLE_BATCH = 32  # images of a sample's batch at least


class Batches(EpochOrder):
    """An ImageSet on a device, iterated in batches; `shuffle` draws a new order for every epoch. The last batch may be smaller.

    `resident`: True holds all images on the device (on the CPU the array or file itself, not a copy), False reads them batch by batch, None
    chooses by the free memory; the batches are the same to the bit. Every iteration is a new epoch, except the first one after
    `load_state_dict`, which continues the saved epoch.
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
        super().__init__(from_dlpack(images.labels).to(device), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self.augmentations = augmentations
        self.mix = mix
        # from_dlpack, unlike from_numpy, accepts a read-only file without a copy or a warning; this class does not write to it.
        is_resident = fits_on_device(images, device) if resident is None else resident
        pool, rows = images.pool, images.rows
        if is_resident and device.type != "cpu":  # only the images of this set are copied there
            pool, rows = images.images, None
        self._pool = from_dlpack(pool).to(device) if is_resident else pool  # (M, H, W, C) uint8
        self._rows = None if rows is None else torch.from_numpy(rows)  # (N,) int64: where the images are in the pool
        self._normalise = Normalise(mean, std, device)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self._start_or_resume_epoch()
        order = self._rest(self._order.to(self._device))
        pool_rows = self._order if self._rows is None else self._rows[self._order]
        if isinstance(self._pool, torch.Tensor):
            batches: Generator[torch.Tensor, None, None] = (
                self._pool.index_select(0, rows) for rows in self._rest(pool_rows.to(self._device))
            )
        else:
            batches = prefetch(self._pool, self._rest(pool_rows), self._device)
        with closing(batches):  # ends the reading thread when the consumer stops early
            for chosen, images in zip(order, batches, strict=True):
                draws = RandomDraws(chosen, self._epochs - 1, self._generator)
                images, labels = images.permute(0, 3, 1, 2), self.labels[chosen]  # (B, C, H, W), channels-last
                for augment in self.augmentations:
                    images = augment(images, draws)
                images = self._normalise(images)
                if self.mix:
                    images, labels = self.mix(images, labels, draws)
                self._position += 1
                yield images, labels

    def sample(self, most: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield at most `most` of the images, evenly spaced, with their labels: normalised, not augmented, in batches of which each mixes the
        whole set. Neither the epoch nor its random numbers are touched."""
        count = min(most, len(self.labels))
        chosen = torch.arange(count) * len(self.labels) // count
        parts = max(1, count // max(self.batch_size, SAMPLE_BATCH))
        for part in (chosen[first::parts] for first in range(parts)):  # images may be sorted by class
            rows = part if self._rows is None else self._rows[part]
            pool = self._pool
            images = pool[rows.to(pool.device)] if isinstance(pool, torch.Tensor) else torch.from_numpy(pool[rows.numpy()])
            yield self._normalise(images.to(self._device).permute(0, 3, 1, 2)), self.labels[part.to(self._device)]


class Normalise:
    """Normalises uint8 images (N, C, H, W) to float32 with mean 0 and standard deviation 1 per channel, channels-last.

    mean, std: per channel, in units of full brightness (0..1).
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._scale = (1 / (255 * torch.tensor(std, device=device))).view(1, -1, 1, 1)
        self._shift = (torch.tensor(mean, device=device) / torch.tensor(std, device=device)).view(1, -1, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.float() * self._scale - self._shift).contiguous(memory_format=torch.channels_last)
