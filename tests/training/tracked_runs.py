"""Tracked images of noise, and runs with them."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.events import Event, TrackedPredictions
from cnn_core.home import WEIGHTS, Home
from cnn_core.training.recipe import train_run
from cnn_core.training.tracked_images import TrackedImage

EPOCHS, STEPS_PER_EPOCH = 3, 3


Until = Callable[[Event], bool]


Ask = Callable[[Event], object]


def noise_images(count: int, *, side: int = 16, channels: int = 3, seed: int = 0) -> list[TrackedImage]:
    rng = np.random.default_rng(seed)
    return [
        TrackedImage(rng.integers(0, 256, (side, side, channels), dtype=np.uint8), f"image {number}", number % 3, "set")
        for number in range(count)
    ]


def is_last_prediction(event: Event) -> bool:
    return isinstance(event, TrackedPredictions) and event.epoch == EPOCHS


def train(
    config: TrainConfig,
    folder: Path,
    home: Home,
    *,
    ask: Ask = lambda event: None,
    until: Until = is_last_prediction,
    resume: bool = False,
) -> list[Event]:
    """The run's events up to the first one that `until` says yes to; `ask` is called with every event."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = []
    with contextlib.closing(train_run(config, folder, home, resume=resume)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
            ask(event)
    return seen


def predictions_in(events: list[Event]) -> list[TrackedPredictions]:
    return [event for event in events if isinstance(event, TrackedPredictions)]


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = (torch.load(folder / WEIGHTS, weights_only=True) for folder in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())
