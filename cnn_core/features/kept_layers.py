"""The frozen layers of a trained model, where their features are kept.

In: a model and its card. Out: its FrozenLayers, if features are kept for exactly these weights: those of a run of which only the head learned.
"""

import torch
from torch import nn

from cnn_core.device import Arithmetic
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.features.store import FeatureStore
from cnn_core.models.registry import find_family
from cnn_core.models.saving import ModelCard


def find_kept_layers(model: nn.Module, card: ModelCard, device: torch.device, store: FeatureStore | None) -> FrozenLayers | None:
    """Return the layers of `model` before its head if their features in float32 are kept in `store`; else None.

    None too for a model that averages its predictions over mirrored images, which are computed from more than these features.
    """
    part = find_family(card.model).head
    if store is None or not store.is_used or not part or card.mirror:
        return None
    layers = FrozenLayers(model, part, Arithmetic(device), card.mean, card.std, store)
    return layers if layers.are_kept else None
