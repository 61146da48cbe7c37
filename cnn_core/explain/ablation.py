"""Channel ablation: how predictions change when channels of a convolution are set to zero.

In: a model (not changed) and images. Out: predictions with and without the channels, and the change of accuracy of each class.
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
from cnn_core.inference.logits import compute_logits
from cnn_core.models.hooks import conv_layers, hookable_copy
from cnn_core.models.saving import ModelCard

BATCH = 50


@dataclass(frozen=True, eq=False)
class Ablation:
    """True `labels` (n,) int64 of the images, and logits (n, classes) float32 `before` and `after` the ablation."""

    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def predicted_before(self) -> np.ndarray:
        """The predicted class of each image before the ablation, (n,) int64."""
        return np.asarray(self.before.argmax(1))

    @property
    def predicted_after(self) -> np.ndarray:
        """The predicted class of each image after the ablation, (n,) int64."""
        return np.asarray(self.after.argmax(1))

    @property
    def changed(self) -> np.ndarray:
        """Indices (m,) int64 of the images with another predicted class."""
        return np.flatnonzero(self.predicted_before != self.predicted_after)

    @property
    def accuracy_before(self) -> float:
        """Accuracy before the ablation."""
        return float((self.predicted_before == self.labels).mean())

    @property
    def accuracy_after(self) -> float:
        """Accuracy after the ablation."""
        return float((self.predicted_after == self.labels).mean())

    @property
    def class_before(self) -> np.ndarray:
        """Accuracy of each class before the ablation, (classes,) float64; NaN for a class without images."""
        return self._class_accuracy(self.predicted_before)

    @property
    def class_after(self) -> np.ndarray:
        """Accuracy of each class after the ablation, (classes,) float64; NaN for a class without images."""
        return self._class_accuracy(self.predicted_after)

    @property
    def class_change(self) -> np.ndarray:
        """Change of the accuracy of each class, (classes,) float64; NaN for a class without images."""
        return np.asarray(self.class_after - self.class_before)

    def _class_accuracy(self, predicted: np.ndarray) -> np.ndarray:
        classes = self.before.shape[1]
        counts = np.bincount(self.labels, minlength=classes)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.bincount(self.labels, predicted == self.labels, minlength=classes) / counts)


def measure_ablation(
    model: nn.Module,
    card: ModelCard,
    images: ImageSet,
    layer: str,
    channels: Sequence[int],
    before: np.ndarray | None = None,
) -> Generator[Progress, None, Ablation]:
    """Compute the predictions without the `channels` of convolution `layer` (a name of `conv_layers`). Yields Progress.

    before: logits (n, classes) of the unchanged model for the same images, if they are known.
    """
    if before is None:
        before = yield from compute_sample_logits(model, card, images, "Predicting with all channels")
    after = yield from compute_sample_logits(
        ablate_channels(model, layer, channels), card, images, "Predicting without the ablated channels"
    )
    return Ablation(images.labels, before, after)


def compute_sample_logits(
    model: nn.Module, card: ModelCard, images: ImageSet, stage: str
) -> Generator[Progress, None, np.ndarray]:
    """Compute the logits (n, classes) float32 for the images. Yields Progress."""
    copy = hookable_copy(model)  # `compute_logits` changes the mode, which would affect other sessions
    batches = Batches(images, batch_size=BATCH, device=next(copy.parameters()).device, mean=card.mean, std=card.std)
    return (yield from compute_logits(copy, batches, stage)).cpu().numpy()


def ablate_channels(model: nn.Module, layer: str, channels: Sequence[int]) -> nn.Module:
    """Return a copy of the model in which the output of these channels of convolution `layer`, including the bias, is zero."""
    copy = hookable_copy(model)
    mask = torch.ones(conv_layers(copy)[layer].out_channels, 1, 1)
    mask[list(channels)] = 0
    copy.get_submodule(layer).register_forward_hook(lambda _, inputs, outputs: outputs * mask.to(outputs))
    return copy
