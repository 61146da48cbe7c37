"""One image before a network: made ready for it, and its answer. In: pixels. Out: a tensor, or the probability of every class."""

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Normalise
from cnn_core.models.saving import ModelCard


def normalised(pixels: np.ndarray, card: ModelCard) -> torch.Tensor:
    """An image (H, W, C) uint8 as the network takes it, (1, C, H, W) float32 on the CPU."""
    return Normalise(card.mean, card.std, torch.device("cpu"))(torch.from_numpy(pixels[None].copy()).permute(0, 3, 1, 2))


@torch.inference_mode()
def answer(model: nn.Module, image: torch.Tensor) -> np.ndarray:
    """The probability (classes,) float64 of every class for one normalised image (1, C, H, W); model: in evaluation mode."""
    return model(image).double().softmax(1)[0].numpy()


def is_finite(model: nn.Module) -> bool:
    """Whether every weight of the network is a number; those of one that diverged are not."""
    return all(bool(torch.isfinite(value).all()) for value in model.state_dict().values() if value.is_floating_point())
