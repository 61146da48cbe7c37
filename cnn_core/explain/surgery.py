"""Filter surgery: what a network still gets right when channels of one of its convolutions are switched off.

In: a model (which stays as it is) and images. Out: what was said with and without the channels, and what that did to every class.
Ablation of single units: R. Meyes, M. Lu, C. de Puiseau, T. Meisen: Ablation Studies in Artificial Neural Networks, 2019.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.events import Progress
from cnn_core.explain.layers import conv_layers, hookable_copy
from cnn_core.inference.logits import compute_logits
from cnn_core.models.saving import ModelCard

BATCH = 50


@dataclass(frozen=True, eq=False)
class Surgery:
    """True `labels` (n,) int64 of the images, and logits (n, classes) float32 `before` and `after` the channels were switched off."""

    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def said_before(self) -> np.ndarray:
        """The most probable class of every image, (n,) int64."""
        return self.before.argmax(1)

    @property
    def said_after(self) -> np.ndarray:
        return self.after.argmax(1)

    @property
    def flipped(self) -> np.ndarray:
        """Which images are now said to be something else, as places (m,) int64 among the n."""
        return np.flatnonzero(self.said_before != self.said_after)

    @property
    def accuracy_before(self) -> float:
        return float((self.said_before == self.labels).mean())

    @property
    def accuracy_after(self) -> float:
        return float((self.said_after == self.labels).mean())

    @property
    def class_before(self) -> np.ndarray:
        """The accuracy on every class with everything on, (classes,) float64; NaN for a class without images."""
        return self._class_accuracy(self.said_before)

    @property
    def class_after(self) -> np.ndarray:
        return self._class_accuracy(self.said_after)

    @property
    def class_change(self) -> np.ndarray:
        """By how much the accuracy on every class rose (shares, (classes,) float64); NaN for a class without images."""
        return self.class_after - self.class_before

    def _class_accuracy(self, said: np.ndarray) -> np.ndarray:
        classes = self.before.shape[1]
        counts = np.bincount(self.labels, minlength=classes)
        with np.errstate(invalid="ignore"):
            return np.bincount(self.labels, said == self.labels, minlength=classes) / counts


def operate(
    model: nn.Module,
    card: ModelCard,
    images: ImageSet,
    layer: str,
    channels: Sequence[int],
    before: np.ndarray | None = None,
) -> Generator[Progress, None, Surgery]:
    """What the network says of the images without the `channels` of convolution `layer` (a name of `conv_layers`). Yields Progress.

    before: logits (n, classes) of the untouched network on the same images, where they are known.
    """
    if before is None:
        before = yield from classify(model, card, images, "The network as it is")
    after = yield from classify(without_channels(model, layer, channels), card, images, "Without what was switched off")
    return Surgery(images.labels, before, after)


def classify(model: nn.Module, card: ModelCard, images: ImageSet, stage: str) -> Generator[Progress, None, np.ndarray]:
    """The network's logits (n, classes) float32 for the images, yielding Progress."""
    own = hookable_copy(model)  # `compute_logits` sets and resets the mode, which another session's may meet
    batches = Batches(images, batch_size=BATCH, device=next(own.parameters()).device, mean=card.mean, std=card.std)
    return (yield from compute_logits(own, batches, stage)).cpu().numpy()


def without_channels(model: nn.Module, layer: str, channels: Sequence[int]) -> nn.Module:
    """A twin of the network in which the output of these channels of convolution `layer` is zero, bias and all."""
    own = hookable_copy(model)
    kept = torch.ones(conv_layers(own)[layer].out_channels, 1, 1)
    kept[list(channels)] = 0
    own.get_submodule(layer).register_forward_hook(lambda _, inputs, outputs: outputs * kept.to(outputs))
    return own
