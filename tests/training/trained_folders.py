"""Runs that are trained into a folder, and what their files hold."""

import contextlib
from pathlib import Path

import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Epoch
from cnn_core.home import WEIGHTS, Home
from cnn_core.inference.logits import compute_logits, loss_and_accuracy
from cnn_core.models.saving import load_model
from cnn_core.training.recipe import split_validation, train_run

CPU = torch.device("cpu")


def train_all_epochs(config: TrainConfig, folder: Path, home: Home) -> list[Epoch]:
    """Train to the end of the last epoch and no further: without test images and curve plots."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs: list[Epoch] = []
    with contextlib.closing(train_run(config, folder, home)) as events:
        for event in events:
            epochs += [event] if isinstance(event, Epoch) else []
            if len(epochs) == config.epochs:
                break
    return epochs


def validation_figures(config: TrainConfig, folder: Path, home: Home) -> tuple[float, float]:
    """Loss and accuracy of the saved weights on the validation images, computed afresh."""
    model, card = load_model(folder, CPU)
    _, held_out = split_validation(finish(open_source(config.data, home).load("train")), config)
    batches = Batches(held_out, batch_size=64, device=CPU, mean=card.mean, std=card.std)
    return loss_and_accuracy(finish(compute_logits(model, batches, "")), batches.labels)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / WEIGHTS, weights_only=True)


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
