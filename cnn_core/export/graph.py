"""The network as one graph that needs none of this program: images as they are in, calibrated probabilities out.

"images": float32 (N, C, S, S), 0..255, any N from 1, made the right size as the card says -> "probabilities": float32 (N, classes).
Normalisation, the mean with the mirrored image where the network uses one, temperature and softmax are inside, so that whoever has the
file cannot forget them. Making a graph replaces parts of torch for all threads, so it belongs into a process of its own (see `apart`).
"""

import io
import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from cnn_core.errors import RunError
from cnn_core.export.card import ExportCard

INPUT, OUTPUT = "images", "probabilities"
CARD_FILE = "card.json"
OPSET = 18


class Answering(nn.Module):
    """A card's network with what the app does before and after it: images (N, C, S, S) 0..255 -> probabilities (N, classes), float32."""

    def __init__(self, card: ExportCard, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", (1 / (255 * torch.tensor(card.std))).view(1, -1, 1, 1))
        self.register_buffer("shift", (torch.tensor(card.mean) / torch.tensor(card.std)).view(1, -1, 1, 1))
        self.temperature = card.temperature

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.network(images * self.scale - self.shift)
        return (logits / self.temperature).softmax(1)


def build_answering(card: ExportCard, state: Mapping[str, torch.Tensor]) -> Answering:
    """A newly built network with the weights of `state`, ready to answer on the CPU. Raises RunError where they do not fit the card."""
    with torch.device("meta"):
        network = card.model_card().build()
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError:
        raise RunError("The weights do not fit their card. Train the run again.") from None
    return Answering(card, network.to(memory_format=torch.contiguous_format)).eval()


@torch.inference_mode()
def answer(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) float32 of images (N, S, S, C) uint8."""
    return network(torch.from_numpy(to_input(pixels))).numpy()


def to_input(pixels: np.ndarray) -> np.ndarray:
    """Images (N, S, S, C) uint8 as graphs take them: (N, C, S, S) float32, 0..255."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)


def trace(card: ExportCard, network: Answering) -> torch.export.ExportedProgram:
    """The graph of the network for any number of images."""
    example = torch.zeros(2, card.channels, card.image_size, card.image_size)
    with torch.no_grad():
        return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("N", min=1)},), strict=False)


def to_torch_export(program: torch.export.ExportedProgram, card: ExportCard) -> bytes:
    """A .pt2 file, with the card inside it. `torch.export.load` reads it, whatever the network is."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={CARD_FILE: card.to_json()})
    return file.getvalue()


def to_onnx(program: torch.export.ExportedProgram, card: ExportCard) -> bytes:
    """An ONNX file, checked by ONNX's own checker, with what it takes and gives and the card among its metadata."""
    import onnx

    made = torch.onnx.export(
        program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], opset_version=OPSET, optimize=True, verbose=False
    )
    model = made.model_proto
    model.producer_name, model.doc_string = "CNN Studio", in_words(card)
    onnx.helper.set_model_props(model, {"card": card.to_json(), "classes": json.dumps(card.classes, ensure_ascii=False)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def in_words(card: ExportCard) -> str:
    """What a graph takes and gives."""
    side, colours = card.image_size, "grey" if card.channels == 1 else "red, green and blue"
    return (
        f"“{INPUT}”: float32 (N, {card.channels}, {side}, {side}), {colours}, brightness 0 to 255; N is any number from 1. "
        f"“{OUTPUT}”: float32 (N, {len(card.classes)}), in the order of the card's classes. "
        "Normalisation, temperature and softmax are inside: give pixels as they are, and use the answer as it is."
    )
