"""The layers of a trained network whose outputs are maps, found once for all sessions."""

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import cache

if TYPE_CHECKING:
    from torch import nn

    from cnn_core.explain.map_layers import MapLayer
    from cnn_core.models.saving import ModelCard


def map_layers_of(model: "nn.Module", card: "ModelCard") -> "list[MapLayer]":
    """Return the layers of the card's `model` with maps of more than one position, in the order of the forward pass; all where none has more."""
    layers = _find(card.model_dump_json(), model, card)
    return [layer for layer in layers if layer.positions > 1] or layers


@st.cache_data(max_entries=cache.MAP_LAYERS.max_entries, show_spinner=False)
def _find(key: str, _model: "nn.Module", _card: "ModelCard") -> "list[MapLayer]":
    import torch

    from cnn_core.explain.map_layers import find_map_layers

    return find_map_layers(_model, torch.empty(1, _card.channels, _card.image_size, _card.image_size, device="meta"))
