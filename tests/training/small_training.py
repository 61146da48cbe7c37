"""A training of a small network on noise whose class is its brightness, in a second. In: settings. Out: a Trainer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.device import Arithmetic
from cnn_core.events import Steps
from cnn_core.models.simple import SimpleCNN
from cnn_core.training.augmentation import RandomCrop, RandomFlip
from cnn_core.training.loop import Report, Trainer
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.schedule import make_schedule

CPU = torch.device("cpu")


RATE, EPOCHS, BATCH = 0.01, 3, 16


def image_set(count: int, seed: int) -> ImageSet:
    """Noise whose class is how bright it is: learnable, and no two images alike."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 120, (count, 8, 8, 1)) + labels[:, None, None, None] * 60
    return ImageSet(pixels.astype(np.uint8), labels)


def batches(count: int = 50, *, seed: int = 0, shuffle: bool = True, data_seed: int = 1) -> Batches:
    return Batches(
        image_set(count, data_seed),
        batch_size=BATCH,
        device=CPU,
        mean=(0.4,),
        std=(0.3,),
        augmentations=(RandomCrop(1), RandomFlip()) if shuffle else (),
        shuffle=shuffle,
        seed=seed,
    )


def validation() -> Batches:
    return batches(30, shuffle=False, data_seed=2)


def network(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return SimpleCNN(channels=1, image_size=8, classes=3, dropout=dropout)


def trainer(
    model: nn.Module,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    rate: float = RATE,
    optimizer: str = "adam",
    schedule: str = "cosine",
    data: Batches | None = None,
    dtype: torch.dtype = torch.float32,
    **chosen: Any,
) -> Trainer:
    data = data or batches(seed=seed)
    config = make_config(epochs=epochs, learning_rate=rate, optimizer=optimizer, schedule=schedule, warmup=0, weight_decay=0)
    return Trainer(
        model=model,
        batches=data,
        validation=validation(),
        optimizer=make_optimizer(config, model),
        schedule=make_schedule(config, len(data)),
        arithmetic=Arithmetic(CPU, dtype),
        epochs=epochs,
        seed=seed,
        **chosen,
    )


def training(model: nn.Module, **chosen: Any) -> Iterator[Report]:
    return iter(trainer(model, **chosen))


def state(model: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def losses(events: Iterator[Report]) -> list[float]:
    return [loss for event in events if isinstance(event, Steps) for loss in event.loss]
