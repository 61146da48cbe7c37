"""Weights as files: safetensors with the card in their header, or the state dict as the run has it. In: a run's folder. Out: bytes, and back."""

import json
from collections.abc import Mapping

import torch

from cnn_core.errors import RunError
from cnn_core.export.card import ExportCard, read_export_card

CARD_KEY = "card"
State = Mapping[str, torch.Tensor]


def write_safetensors(state: State, card: ExportCard) -> bytes:
    """A safetensors file of the weights by name, with the card's JSON in its header under "card"."""
    from safetensors.torch import save

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    return save(plain, metadata={"format": "pt", CARD_KEY: card.to_json()})


def read_safetensors(content: bytes) -> dict[str, torch.Tensor]:
    """The weights by name; nothing in the file is ever run. Raises RunError for any other file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise RunError("The file is not a whole safetensors file. Choose the one that was exported.") from None


def card_inside(content: bytes) -> ExportCard | None:
    """The card in the header of a safetensors file, None where it has none. Raises RunError where the file or the card is damaged."""
    size = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + size]) if size <= len(content) - 8 else None
        text = header.get("__metadata__", {}).get(CARD_KEY)
    except (ValueError, AttributeError, RecursionError):
        raise RunError("The file is not a whole safetensors file. Choose the one that was exported.") from None
    return read_export_card(text.encode("utf-8", "replace")) if isinstance(text, str) else None
