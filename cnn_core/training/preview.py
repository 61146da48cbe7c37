"""The first training images of a run as its model receives them, for a page.

In: settings and a home. Out: a generator of Progress whose value is a Preview: augmented, mixed and ordered exactly as in the run.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.data.statistics import channel_statistics
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.training.recipe import load_training_images, split_validation, training_batches


@dataclass(frozen=True)
class Preview:
    """`pixels`: uint8 (N, S, S, C). `labels`: the class of each image, or the weights of a mixed one ("70% cat, 30% dog")."""

    pixels: np.ndarray
    labels: tuple[str, ...]


def preview_batch(config: TrainConfig, home: Home, limit: int = 24) -> Generator[Progress, None, Preview]:
    """Return the first `limit` images of the run's first batch. Raises DataError or SettingError as training would."""
    source = open_images(config, home)
    images, validation = yield from load_training_images(source)
    training, _ = split_validation(images, config, validation)
    mean, std = channel_statistics(training)
    batch, targets = next(iter(training_batches(config, source.info, training, (mean, std), torch.device("cpu"))))
    return Preview(_to_pixels(batch[:limit], mean, std), tuple(_label(target, source.info.classes) for target in targets[:limit]))


def augment_images(pixels: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Return images (N, S, S, C) uint8 with random augmentations, without mixing."""
    images = ImageSet(pixels, np.zeros(len(pixels), np.int64))
    unmixed = config.model_copy(
        update={"mixup": 0.0, "cutmix": 0.0, "batch_size": len(pixels), "flip": "random" if config.flip != "off" else "off"}
    )
    info = DataInfo("", ("",), pixels.shape[1], pixels.shape[3], len(pixels), 0, "")
    mean, std = channel_statistics(images)
    batch, _ = next(iter(training_batches(unmixed, info, images, (mean, std), torch.device("cpu"))))
    return _to_pixels(batch, mean, std)


def _to_pixels(batch: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return normalised images (N, C, S, S) as uint8 (N, S, S, C)."""
    shape = (1, -1, 1, 1)
    pixels = (batch * torch.tensor(std).view(shape) + torch.tensor(mean).view(shape)) * 255
    return pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _label(target: torch.Tensor, classes: tuple[str, ...]) -> str:
    if target.ndim == 0:
        return classes[int(target)]
    weights = [(weight, name) for weight, name in zip(target.tolist(), classes, strict=True) if weight > 0.005]
    return ", ".join(f"{weight:.0%} {name}" if weight < 0.995 else name for weight, name in sorted(weights, reverse=True))
