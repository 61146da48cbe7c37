"""What a trained model reads of images: their kept features, where these are exactly what its frozen layers compute, else the images.

In: a model and its card, images, and a store. Out: the module that is to be computed, and its batches. Features are kept of a run of which only the head
learned, or only the head at first; any other weights have a key of their own, under which nothing is kept.
"""

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.source import ImageSet
from cnn_core.device import Arithmetic
from cnn_core.events import Progress
from cnn_core.features.batches import FeatureBatches
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.features.store import FeatureStore
from cnn_core.models.registry import find_family
from cnn_core.models.saving import ModelCard


@dataclass(frozen=True, eq=False)
class ModelReading:
    """`module(inputs)` of each batch (inputs, labels) of `batches` are the logits of the images, in their order."""

    module: nn.Module
    batches: EpochOrder


def read_for_model(
    model: nn.Module, card: ModelCard, images: ImageSet, device: torch.device, store: FeatureStore | None, *, batch_size: int
) -> Generator[Progress, None, ModelReading]:
    """Return the head of `model` with the features of `images`, if features of its other layers in float32 are kept in `store`; else the model
    with the images. Yields Progress while features of images are computed of which none are kept.

    A model that averages its predictions over mirrored images reads the images.
    """
    part = find_family(card.model).head
    if store is not None and store.is_used and part and not card.mirror:
        layers = FrozenLayers(model, part, Arithmetic(device), card.mean, card.std, store)
        if layers.are_kept:
            features = FeatureBatches(images, layers, batch_size=batch_size, shuffle=False, seed=0)
            yield from (event for event in features.prepare() if isinstance(event, Progress))
            return ModelReading(model.get_submodule(part), features)
    return ModelReading(model, Batches(images, batch_size=batch_size, device=device, mean=card.mean, std=card.std))
