"""A model as one graph of operations that runs without this program: from images to calibrated probabilities.

"images": float32 (N, C, S, S), 0..255, any N from 1, of the size on the card -> "probabilities": float32 (N, classes). Normalisation, the
mean with the mirrored image if the model uses it, temperature and softmax are part of the graph. Tracing replaces parts of torch for all
threads, so it runs in a separate process (see `subprocess_export`).
"""

from collections.abc import Callable, Generator, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from cnn_core.errors import RunError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard
from cnn_core.models.empty import build_for_state

INPUT, OUTPUT = "images", "probabilities"
Predict = Callable[[np.ndarray], np.ndarray]  # images (N, C, S, S) float32, 0..255 -> probabilities (N, classes) float32
CHUNK = 100  # images
NOT_OF_CARD = "The weights do not fit their model card. Start the run again with the same settings."


class ExportableModel(nn.Module):
    """The network of a card with normalisation, temperature and softmax: images (N, C, S, S) 0..255 -> probabilities (N, classes)."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, card: ExportCard, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", (1 / (255 * torch.tensor(card.std))).view(1, -1, 1, 1))
        self.register_buffer("shift", (torch.tensor(card.mean) / torch.tensor(card.std)).view(1, -1, 1, 1))
        self.temperature = card.temperature

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images * self.scale - self.shift)
        return (logits / self.temperature).softmax(1)


def build_exportable(card: ExportCard, state: Mapping[str, torch.Tensor]) -> ExportableModel:
    """Build the model with the weights of `state`, on the CPU. Raises RunError if they do not fit the card."""
    network = build_for_state(card.model_card().build)
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError:
        raise RunError(NOT_OF_CARD) from None
    model = ExportableModel(card, network.to(memory_format=torch.contiguous_format))
    model.eval()
    return model


def predictor(model: nn.Module) -> Predict:
    """Return a function from arrays to arrays that runs `model`."""

    @torch.inference_mode()
    def predict(images: np.ndarray) -> np.ndarray:
        probabilities: torch.Tensor = model(torch.from_numpy(images))
        return probabilities.numpy()

    return predict


def predict_in_chunks(predict: Predict, images: np.ndarray, stage: str) -> Generator[Progress, None, np.ndarray]:
    """Return the probabilities of all `images`: first of one image, so that a batch of one is tested too, then of CHUNK at a time.

    Yields Progress with the name `stage`.
    """
    starts, predictions = [0, *range(1, len(images), CHUNK), len(images)], []
    for start, end in pairwise(starts):
        yield Progress(stage, start, len(images))
        predictions.append(predict(images[start:end]))
    return np.concatenate(predictions)


def to_input(pixels: np.ndarray) -> np.ndarray:
    """Return images (N, S, S, C) uint8 as the input of a graph: (N, C, S, S) float32, 0..255."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)


def trace(card: ExportCard, model: ExportableModel) -> torch.export.ExportedProgram:
    """Return the graph of the model for any number of images."""
    example = torch.zeros(2, card.channels, card.image_size, card.image_size)
    with torch.no_grad():
        return torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("N", min=1)},), strict=False)


def describe_graph(card: ExportCard) -> str:
    """Return a description of the input and output of a graph."""
    side, colours = card.image_size, "grey" if card.channels == 1 else "red, green and blue"
    return (
        f"“{INPUT}”: float32 (N, {card.channels}, {side}, {side}), {colours}, brightness 0 to 255; N is any number from 1. "
        f"“{OUTPUT}”: float32 (N, {len(card.classes)}), in the order of the card's classes. "
        "Normalisation, temperature and softmax are part of the graph: do not apply them again."
    )
