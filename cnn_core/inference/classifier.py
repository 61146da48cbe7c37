"""A trained model as a classifier. In: decoded images. Out: the preprocessed image, the classes ranked by probability, and a verdict.

If the run has a calibration, probabilities are calibrated, and its threshold decides which predictions are sure. If the distribution of its
training images is cached, images unlike them are reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cnn_core.data.batches import Normalise
from cnn_core.data.decoder import DecodedImage
from cnn_core.inference.confidence import load_calibration
from cnn_core.inference.distribution import FeatureExtractor, TrainingDistribution, load_distribution
from cnn_core.inference.preprocessing import preprocess
from cnn_core.inference.verdict import Verdict, judge
from cnn_core.models.saving import load_model


@dataclass(frozen=True)
class Prediction:
    """`pixels`: the preprocessed image, uint8 (S, S, C). `ranked`: (class, probability), most probable first."""

    pixels: np.ndarray
    ranked: tuple[tuple[str, float], ...]
    verdict: Verdict

    def fields(self, top: int | None = None) -> dict[str, Any]:
        """Return the prediction for JSON, with the `top` most probable classes (None: all)."""
        ranked = [{"class": name, "probability": probability} for name, probability in self.ranked[:top]]
        return {"class": self.ranked[0][0], **self.verdict.fields(), "ranked": ranked}


class Classifier:
    """A run's best model, ready for use. Raises RunError when the run has none.

    `distribution`: that of its training images, as far as it has been computed (see `metrics.distribution_fit`).
    """

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        self.device = device = device or torch.device("cpu")
        self.model, self.card = load_model(folder, device)
        self.calibration = load_calibration(folder)
        self.distribution: TrainingDistribution | None = load_distribution(folder)
        self._normalise = Normalise(self.card.mean, self.card.std, device)

    def classify(self, image: DecodedImage | Image.Image) -> Prediction:
        """Classify one RGB image (see `preprocess`). Raises ImageError when a drawing is blank."""
        pixels = preprocess(image, self.card)
        return self.classify_pixels(pixels[None])[0]

    def classify_pixels(self, pixels: np.ndarray) -> list[Prediction]:
        """Classify preprocessed images, uint8 (N, S, S, C)."""
        rows, distances = self.probabilities(pixels), self.distances(pixels)
        return [self.rank(*image) for image in zip(pixels, rows, distances, strict=True)]

    def rank(self, pixels: np.ndarray, probabilities: np.ndarray, distance: float | None = None) -> Prediction:
        """Return the prediction with `probabilities` (classes,) for preprocessed `pixels` at `distance` from the training images."""
        order = np.argsort(-probabilities, kind="stable")
        ranked = tuple((self.card.classes[i], float(probabilities[i])) for i in order)
        return Prediction(pixels, ranked, self.judge(ranked[0][1], distance))

    def judge(self, probability: float, distance: float | None) -> Verdict:
        """Return the verdict on a prediction with this probability for an image at `distance` from the training images."""
        return judge(probability, self.calibration.threshold, distance)

    def distances(self, pixels: np.ndarray) -> Sequence[float | None]:
        """Return the distances from the training images of preprocessed images, uint8 (N, S, S, C); None each without a distribution."""
        if self.distribution is None:
            return [None] * len(pixels)
        features = self._extractor.extract(self._to_input(pixels))
        distances: list[float | None] = self.distribution.distances(features, pixels).tolist()
        return distances

    @cached_property
    def _extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self.model)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return probabilities (N, classes) float32 for preprocessed images, uint8 (N, S, S, C)."""
        return self.to_probabilities(self.logits(pixels))

    @torch.inference_mode()
    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return logits (N, classes) float32 for preprocessed images, uint8 (N, S, S, C)."""
        logits: np.ndarray = self.model(self._to_input(pixels)).float().cpu().numpy()
        return logits

    def _to_input(self, pixels: np.ndarray) -> torch.Tensor:
        return self._normalise(torch.from_numpy(pixels.copy()).to(self.device).permute(0, 3, 1, 2))

    def to_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (N, classes) float32 for logits (N, classes)."""
        return (torch.from_numpy(logits) / self.calibration.temperature).softmax(1).numpy()
