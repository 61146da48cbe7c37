"""Batches that live on the device: all images as one uint8 tensor there, cut, augmented and normalised as whole batches.

In: an ImageSet. Out: an iterator of (images (B, C, H, W) float32 in channels-last, labels (B,) int64) on the device.
There is no worker process and no per-image Python: on two CPU cores that is three times the speed of a DataLoader with PIL
transforms (see benchmarks/).
"""

from collections.abc import Iterator

import numpy as np
import torch

from cnn_core.data.augment import Augmentation
from cnn_core.data.source import ImageSet


class Batches:
    """An ImageSet on a device, iterated in batches; `shuffle` draws a new order for every pass. The last batch may be smaller."""

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        device: torch.device,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augmentations: tuple[Augmentation, ...] = (),
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        self.images = torch.from_numpy(images.images).to(device).permute(0, 3, 1, 2)  # (N, C, H, W) uint8, channels-last
        self.labels = torch.from_numpy(images.labels).to(device)
        self.batch_size = batch_size
        self.augmentations = augmentations
        self.shuffle = shuffle
        self._normalise = Normalise(mean, std, device)
        self._generator = torch.Generator(device).manual_seed(seed)

    def __len__(self) -> int:
        """Batches in one pass."""
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        count, device = len(self.labels), self.labels.device
        order = (
            torch.randperm(count, generator=self._generator, device=device)
            if self.shuffle
            else torch.arange(count, device=device)
        )
        for chosen in order.split(self.batch_size):
            images = self.images[chosen]
            for augment in self.augmentations:
                images = augment(images, self._generator)
            yield self._normalise(images), self.labels[chosen]


class Normalise:
    """uint8 images (N, C, H, W) to float32 with mean 0 and deviation 1 per channel of the training images, channels-last.

    mean, std: per channel, in units of full brightness (0..1).
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._scale = (1 / (255 * torch.tensor(std, device=device))).view(1, -1, 1, 1)
        self._shift = (torch.tensor(mean, device=device) / torch.tensor(std, device=device)).view(1, -1, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.float() * self._scale - self._shift).contiguous(memory_format=torch.channels_last)


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images (N, H, W, C), in units of full brightness (0..1).

    Taken from the histogram of the 256 values, so that no float copy of the images is made.
    """
    means, stds, values = [], [], np.arange(256) / 255
    for channel in range(images.shape[3]):
        counts = sum(
            np.bincount(part[..., channel].ravel(), minlength=256) for part in np.array_split(images, max(1, len(images) // 5000))
        )
        mean = float((counts * values).sum() / counts.sum())
        means.append(mean)
        # A constant channel has no deviation; dividing by 1 leaves it at zero.
        stds.append(float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())) or 1.0)
    return tuple(means), tuple(stds)
