"""A trained model as a classifier. In: decoded images. Out: the preprocessed image, and the classes ranked by probability.

If the run has a calibration, probabilities are calibrated, and its threshold decides which predictions are confident.
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
    """`pixels`: the preprocessed image, uint8 (S, S, C). `ranked`: (class, probability), most probable first.

    `is_sure`: whether the probability of the first class reaches the threshold.
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
        """Classify one RGB image. Raises ImageError when a drawing is blank."""
        pixels = preprocess(image, self.card)
        return self.rank(pixels, self.probabilities(pixels[None])[0])

    def rank(self, pixels: np.ndarray, probabilities: np.ndarray) -> Prediction:
        """Return the prediction with `probabilities` (classes,) for preprocessed `pixels`."""
        order = np.argsort(-probabilities, kind="stable")
        is_sure = bool(probabilities[order[0]] >= self.calibration.threshold)
        return Prediction(pixels, tuple((self.card.classes[i], float(probabilities[i])) for i in order), is_sure)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return probabilities (N, classes) float32 for preprocessed images, uint8 (N, S, S, C)."""
        return self.to_probabilities(self.logits(pixels))

    @torch.inference_mode()
    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return logits (N, classes) float32 for preprocessed images, uint8 (N, S, S, C)."""
        images = torch.from_numpy(pixels.copy()).to(self.device).permute(0, 3, 1, 2)
        logits: np.ndarray = self.model(self._normalise(images)).float().cpu().numpy()
        return logits

    def to_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (N, classes) float32 for logits (N, classes)."""
        return (torch.from_numpy(logits) / self.calibration.temperature).softmax(1).numpy()
