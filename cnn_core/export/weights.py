"""Weights as files: safetensors with the card in their header, or the state dict as the run saved it.

In: a run's weights and its card. Out: bytes, and back. No code in a file is run.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from cnn_core.errors import NoModelError, RunError, StudioError
from cnn_core.export.card import ExportCard, read_export_card
from cnn_core.home import WEIGHTS

CARD_KEY = "card"
DAMAGED_MODEL = "The saved model is damaged. Start the run again with the same settings."
NOT_SAFETENSORS = "The file is not a complete safetensors file. Choose the weights file (.safetensors) that was exported."
OTHER_CARD = "The model card in the exported file is damaged, so the file is not offered. Choose another format."


@dataclass(frozen=True)
class SavedWeights:
    """A run's best weights: the file that training saved, its tensors by name, and the card to export them with."""

    content: bytes
    state: Mapping[str, torch.Tensor]
    card: ExportCard


def read_saved_weights(folder: Path, card: ExportCard) -> SavedWeights:
    """Read the weights in a run's folder. Raises RunError if they are missing or damaged."""
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError:
        raise NoModelError(card.run) from None
    return SavedWeights(content, load_state_dict(content, card), card)


def write_state_dict(saved: SavedWeights) -> bytes:
    """Return the file that training saved."""
    return saved.content


def load_state_dict(content: bytes, card: ExportCard) -> Mapping[str, torch.Tensor]:
    """Return the weights by name in a file of torch.save. Raises RunError if it is damaged."""
    try:
        state: Mapping[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # reading a damaged pickle may raise anything
        raise RunError(DAMAGED_MODEL) from None
    return state


def write_safetensors(saved: SavedWeights) -> bytes:
    """Return a safetensors file of the weights, with the card's JSON in its header under "card"."""
    from safetensors.torch import save

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in saved.state.items()}
    return save(plain, metadata={"format": "pt", CARD_KEY: saved.card.to_json()})


def load_safetensors(content: bytes, card: ExportCard) -> Mapping[str, torch.Tensor]:
    """Return the weights by name in a file that was just written. Raises StudioError if the card in its header is not `card`."""
    if card_inside(content) != card:
        raise StudioError(OTHER_CARD)
    return read_safetensors(content)


def read_safetensors(content: bytes) -> dict[str, torch.Tensor]:
    """Return the weights by name in a safetensors file. Raises RunError for any other file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise RunError(NOT_SAFETENSORS) from None


def card_inside(content: bytes) -> ExportCard | None:
    """Return the card in the header of a safetensors file, None if it has none. Raises RunError if the file or the card is damaged."""
    size = int.from_bytes(content[:8], "little")
    try:
        if size > len(content) - 8:
            raise ValueError
        text = json.loads(content[8 : 8 + size]).get("__metadata__", {}).get(CARD_KEY)
    except (ValueError, AttributeError, RecursionError):
        raise RunError(NOT_SAFETENSORS) from None
    return read_export_card(text.encode("utf-8", "replace")) if isinstance(text, str) else None
