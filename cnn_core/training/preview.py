"""The first images that training will show the network, as pictures for a person.

In: settings and a home. Out: a generator of Progress whose value is a Preview: augmented, mixed and ordered exactly as in the run.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from cnn_core.config import TrainConfig
from cnn_core.data.batches import channel_statistics
from cnn_core.data.catalog import open_source
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.training.recipe import split_validation, training_batches


@dataclass(frozen=True)
class Preview:
    """`pixels`: uint8 (N, S, S, C). `labels`: the class of each, or the shares of a mixed one ("70% cat, 30% dog")."""

    pixels: np.ndarray
    labels: tuple[str, ...]


def preview_batch(config: TrainConfig, home: Home, limit: int = 24) -> Generator[Progress, None, Preview]:
    """The first `limit` images of the run's first batch. Raises DataError or SettingError as training would."""
    source = open_source(config.data, home)
    images = yield from source.load("train")
    training, _ = split_validation(images, config)
    mean, std = channel_statistics(training.images)
    batch, targets = next(iter(training_batches(config, source.info, training, torch.device("cpu"))))
    shape = (1, -1, 1, 1)
    pixels = (batch[:limit] * torch.tensor(std).view(shape) + torch.tensor(mean).view(shape)) * 255
    pixels = pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return Preview(pixels, tuple(_name(target, source.info.classes) for target in targets[:limit]))


def _name(target: torch.Tensor, classes: tuple[str, ...]) -> str:
    if target.ndim == 0:
        return classes[int(target)]
    shares = [(share, name) for share, name in zip(target.tolist(), classes, strict=True) if share > 0.005]
    return ", ".join(f"{share:.0%} {name}" if share < 0.995 else name for share, name in sorted(shares, reverse=True))
