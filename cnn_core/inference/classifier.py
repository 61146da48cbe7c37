"""One trained network as a classifier of pictures. In: decoded pictures. Out: what the network received, and ranked classes.

Probabilities are calibrated where the run has a calibration, which also says how sure the network has to be.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cnn_core.data.batches import Normalise
from cnn_core.inference.confidence import load_calibration
from cnn_core.inference.preprocessing import preprocess
from cnn_core.models.saving import load_model


@dataclass(frozen=True)
class Prediction:
    """`pixels`: what the network received, uint8 (S, S, C). `ranked`: (class, probability), most probable first.

    `is_sure`: whether the first of them is as probable as an answer has to be.
    """

    pixels: np.ndarray
    ranked: tuple[tuple[str, float], ...]
    is_sure: bool = True


class Classifier:
    """A run's best model, ready for use. Raises RunError when the run has none."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        self.device = device = device or torch.device("cpu")
        self.model, self.card = load_model(folder, device)
        self.calibration = load_calibration(folder)
        self._normalise = Normalise(self.card.mean, self.card.std, device)

    def classify(self, image: Image.Image) -> Prediction:
        """The classes of one RGB picture. Raises ImageError when there is nothing in it to recognise."""
        pixels = preprocess(image, self.card)
        return self.rank(pixels, self.probabilities(pixels[None])[0])

    def rank(self, pixels: np.ndarray, probabilities: np.ndarray) -> Prediction:
        """The answer that `probabilities` (classes,) are, of a picture that is ready."""
        order = np.argsort(-probabilities, kind="stable")
        is_sure = bool(probabilities[order[0]] >= self.calibration.threshold)
        return Prediction(pixels, tuple((self.card.classes[i], float(probabilities[i])) for i in order), is_sure)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities (N, classes) float32 of pictures that are ready: uint8 (N, S, S, C)."""
        return self.to_probabilities(self.logits(pixels))

    @torch.inference_mode()
    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Logits (N, classes) float32 of pictures that are ready: uint8 (N, S, S, C)."""
        images = torch.from_numpy(pixels.copy()).to(self.device).permute(0, 3, 1, 2)
        return self.model(self._normalise(images)).float().cpu().numpy()

    def to_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (N, classes) float32 for logits (N, classes)."""
        return (torch.from_numpy(logits) / self.calibration.temperature).softmax(1).numpy()
