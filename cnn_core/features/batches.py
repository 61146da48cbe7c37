"""Features iterated in batches instead of the images.

In: images, and the frozen layers of a network. Out: batches of features for the module that learns. Training a head on them is the same as training it
in the whole network, and thousands of times faster.
"""

from collections.abc import Generator, Iterator

import torch
from torch.utils.dlpack import from_dlpack

from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.source import ImageSet
from cnn_core.events import Note, Progress
from cnn_core.features.frozen_layers import FrozenLayers


class TensorBatches(EpochOrder):
    """Features (N, ...) float32 and labels (N,) int64 in memory, iterated in batches. features: None where they come later."""

    def __init__(self, features: torch.Tensor | None, labels: torch.Tensor, *, batch_size: int, shuffle: bool, seed: int) -> None:
        super().__init__(labels, batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._features = features

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        assert self._features is not None, "the features come first"
        self._start_or_resume_epoch()
        for chosen in self._rest(self._order.to(self._device)):
            self._position += 1
            yield self._features[chosen], self.labels[chosen]


class FeatureBatches(TensorBatches):
    """The features of a set of images and their labels, iterated in batches, after `prepare` has read or computed them and freed the images."""

    def __init__(self, images: ImageSet, layers: FrozenLayers, *, batch_size: int, shuffle: bool, seed: int) -> None:
        labels = from_dlpack(images.labels).to(layers.arithmetic.device)
        super().__init__(None, labels, batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._images: ImageSet | None = images  # until the features are there
        self._layers = layers
        self.rows = images.rows  # in their data set, (N,) int64; None where it has none

    def prepare(self) -> Generator[Progress | Note, None, None]:
        """Read or compute the features, unless they are there. Yields Progress, and a Note where they cannot be kept."""
        if self._images is not None:
            self._features = yield from self._layers.features(self._images)
            self._images = None
