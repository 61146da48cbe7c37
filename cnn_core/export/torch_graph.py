"""The format torch.export: the traced graph as a .pt2 file, which PyTorch loads without the network's source code.

In: a traced graph and its card. Out: the file's bytes, and a function that predicts with the file.
"""

import io
from pathlib import Path

import numpy as np
import torch

from cnn_core.export.card import ExportCard
from cnn_core.export.graph import Predict

CARD_FILE = "card.json"


def write_torch_export(program: torch.export.ExportedProgram, card: ExportCard) -> bytes:
    """Return the file, which contains the card."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={CARD_FILE: card.to_json()})
    return file.getvalue()


def load_torch_export(path: Path) -> Predict:
    """Return a function from images (N, C, S, S) to probabilities (N, classes)."""
    import torch  # here too, because check.py contains this function and must also run without torch

    with path.open("rb") as file:
        model = torch.export.load(file).module()

    @torch.inference_mode()
    def predict(images: np.ndarray) -> np.ndarray:
        probabilities: torch.Tensor = model(torch.from_numpy(images))
        return probabilities.numpy()

    return predict
