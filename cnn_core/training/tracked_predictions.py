"""Predictions for a run's tracked images: after every epoch while it trains, and for earlier epochs from their saved states.

In: tracked images, and a model or a run's folder. Out: TrackedPredictions. No random numbers are drawn and the model's mode is restored,
so the final weights are the same with and without tracked images.
"""

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet, finish
from cnn_core.device import Arithmetic
from cnn_core.errors import RunError
from cnn_core.events import Progress, TrackedPredictions
from cnn_core.home import TRACKED_IMAGES
from cnn_core.inference.logits import compute_logits
from cnn_core.models.checkpoint import load_epoch, validated_weights
from cnn_core.models.saving import ModelCard, build_from_state, read_card
from cnn_core.training.tracked_images import TrackedImage, read_tracked_images

DECIMALS = 5  # of a probability: a thousandth of a percent
MISFIT = (
    f"The images in {TRACKED_IMAGES} do not fit the model, which takes images of {{size}}×{{size}} pixels in {{classes}} classes. "
    "Remove all tracked images and add them again."
)


def predict_tracked_images(
    folder: Path, model: nn.Module, card: ModelCard, arithmetic: Arithmetic, *, epoch: int, step: int
) -> TrackedPredictions | None:
    """Return the predictions of `model` for the tracked images in `folder`, None without any.

    Raises RunError when their file is damaged or they do not fit the model.
    """
    tracked = read_tracked_images(folder)
    if not tracked:
        return None
    check_size(tracked, card)
    return TrackedPredictions(
        epoch, step, tuple(image.name for image in tracked), compute_probabilities(model, card, tracked, arithmetic)
    )


def check_size(tracked: Sequence[TrackedImage], card: ModelCard) -> None:
    """Raise RunError when the model of `card` takes images of another size or has fewer classes."""
    shape = (card.image_size, card.image_size, card.channels)
    if any(image.pixels.shape != shape or image.truth >= len(card.classes) for image in tracked):
        raise RunError(MISFIT.format(size=card.image_size, classes=len(card.classes)))


def compute_probabilities(
    model: nn.Module, card: ModelCard, tracked: Sequence[TrackedImage], arithmetic: Arithmetic
) -> tuple[tuple[float, ...], ...]:
    """Return the probability of every class for every image, rounded to DECIMALS places."""
    images = ImageSet(np.stack([image.pixels for image in tracked]), np.array([image.truth for image in tracked], np.int64))
    batches = Batches(images, batch_size=len(tracked), device=arithmetic.device, mean=card.mean, std=card.std)
    logits = finish(compute_logits(model, batches, "Classifying tracked images", arithmetic))
    rows = logits.softmax(1).cpu().numpy().astype(np.float64).round(DECIMALS)
    return tuple(map(tuple, rows.tolist()))


def predict_saved_epochs(folder: Path, epochs: Sequence[int]) -> Generator[Progress, None, list[TrackedPredictions]]:
    """Return the predictions for the run's current tracked images after each of `epochs`, computed on the CPU in float32.

    Epochs without a saved state, or with a damaged one, are left out. Raises RunError when the images' file or the card is damaged.
    """
    tracked = read_tracked_images(folder)
    predictions: list[TrackedPredictions] = []
    card = read_card(folder)
    check_size(tracked, card)
    names = tuple(image.name for image in tracked)
    for done, epoch in enumerate(epochs):
        yield Progress("Loading the models of earlier epochs", done, len(epochs))
        try:
            state = load_epoch(folder, epoch)["trainer"]
        except RunError:  # removed meanwhile, or damaged
            continue
        arithmetic = Arithmetic(torch.device("cpu"))
        model = build_from_state(folder, card, validated_weights(state), arithmetic.device)
        predictions.append(
            TrackedPredictions(epoch, state["meter"]["step"], names, compute_probabilities(model, card, tracked, arithmetic))
        )
    return predictions
