"""The prediction for one image. In: pixels. Out: the model's input, or the probability of each class."""

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Normalise
from cnn_core.models.saving import ModelCard


def to_model_input(pixels: np.ndarray, card: ModelCard) -> torch.Tensor:
    """Return an image (H, W, C) uint8 normalised, (1, C, H, W) float32 on the CPU."""
    normalise = Normalise(card.mean, card.std, torch.device("cpu"))
    return normalise(torch.from_numpy(pixels[None].copy()).permute(0, 3, 1, 2))


@torch.inference_mode()
def predict_probabilities(model: nn.Module, image: torch.Tensor) -> np.ndarray:
    """Return the probability of each class (classes,) float64 for one normalised image (1, C, H, W); model: in evaluation mode."""
    logits: torch.Tensor = model(image)
    return logits.double().softmax(1)[0].numpy()


def has_finite_weights(model: nn.Module) -> bool:
    """Whether all weights are finite; those of a diverged model are not."""
    return all(bool(torch.isfinite(value).all()) for value in model.state_dict().values() if value.is_floating_point())
