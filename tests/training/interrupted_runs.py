"""Runs that are stopped at a given event and resumed, and how to compare them."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.events import Epoch, Event, Steps
from cnn_core.home import WEIGHTS, Home
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.training.recipe import train_run

EPOCHS = 4


STEPS_PER_EPOCH = 3


PLACES: dict[str, Callable[[Event], bool]] = {
    "after the first step": lambda event: isinstance(event, Steps) and event.step == 1,
    "in the middle of an epoch": lambda event: isinstance(event, Steps) and event.step == STEPS_PER_EPOCH + 2,
    "before a validation": lambda event: isinstance(event, Steps) and event.step == 2 * STEPS_PER_EPOCH,
    "after an epoch": lambda event: isinstance(event, Epoch) and event.epoch == 2,
    "before the last validation": lambda event: isinstance(event, Steps) and event.step == EPOCHS * STEPS_PER_EPOCH,
}


def is_last_epoch(event: Event) -> bool:
    return isinstance(event, Epoch) and event.epoch == EPOCHS


def train(
    config: TrainConfig, folder: Path, home: Home, *, until: Callable[[Event], bool] = is_last_epoch, resume: bool = False
) -> list[Event]:
    """The run's events up to the first one that `until` says yes to, where the run is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: list[Event] = []
    with contextlib.closing(train_run(config, folder, home, resume=resume)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
    return seen


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / WEIGHTS, weights_only=True)


def assert_same_weights(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in mine.items())


def story(events: list[Event]) -> dict[str, Any]:
    """What a history of the events shows, times left out."""
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    timed = ("train_seconds", "seconds")
    snapshot = history.snapshot()
    epochs = [{name: value for name, value in epoch.items() if name not in timed} for epoch in snapshot["epochs"]]
    return {"steps": snapshot["steps"], "epochs": epochs, "step": snapshot["step"], "waited": snapshot["waited"]}
