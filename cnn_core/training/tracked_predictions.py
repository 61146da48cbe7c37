"""What a network says of a run's probes: after every epoch while it trains, and of earlier epochs from the states that were kept.

In: probes, and a network or a run's folder. Out: Probed. No random numbers are drawn, and the network is given back in the mode it came
in, so that a training learns the very same with and without probes.
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
from cnn_core.events import Probed, Progress
from cnn_core.home import PROBES
from cnn_core.inference.logits import compute_logits
from cnn_core.models.checkpoint import load_epoch, measured_weights
from cnn_core.models.saving import ModelCard, build_saved, read_card
from cnn_core.training.tracked_images import TrackedImage, read_tracked_images

DECIMALS = 5  # of a probability: a thousandth of a percent


def ask_network(
    folder: Path, model: nn.Module, card: ModelCard, arithmetic: Arithmetic, *, epoch: int, step: int
) -> Probed | None:
    """What `model` says of the probes in `folder`, None without any. Raises RunError where they are damaged or of another size."""
    probes = read_tracked_images(folder)
    if not probes:
        return None
    check_size(probes, card)
    return Probed(epoch, step, tuple(probe.name for probe in probes), probabilities(model, card, probes, arithmetic))


def check_size(probes: Sequence[TrackedImage], card: ModelCard) -> None:
    """Raises RunError when the network of `card` receives images of another size, or knows fewer classes."""
    wanted = (card.image_size, card.image_size, card.channels)
    if any(probe.pixels.shape != wanted or probe.truth >= len(card.classes) for probe in probes):
        raise RunError(
            f"The images in {PROBES} do not fit the network, which receives {card.image_size}×{card.image_size} pixels of "
            f"{len(card.classes)} classes. Remove them all, and pin the images again."
        )


def probabilities(
    model: nn.Module, card: ModelCard, probes: Sequence[TrackedImage], arithmetic: Arithmetic
) -> tuple[tuple[float, ...], ...]:
    """Of every class for every probe, rounded to DECIMALS places."""
    images = ImageSet(np.stack([probe.pixels for probe in probes]), np.array([probe.truth for probe in probes], np.int64))
    batches = Batches(images, batch_size=len(probes), device=arithmetic.device, mean=card.mean, std=card.std)
    logits = finish(compute_logits(model, batches, "Asking about the probes", arithmetic))
    shares = logits.softmax(1).cpu().numpy().astype(np.float64).round(DECIMALS)
    return tuple(map(tuple, shares.tolist()))


def ask_kept_epochs(folder: Path, epochs: Sequence[int]) -> Generator[Progress, None, list[Probed]]:
    """What the run's network said of its present probes after each of `epochs` whose state was kept; computed on the CPU in float32.

    States that are gone or damaged are left out. Raises RunError where the probes or the card are damaged.
    """
    probes, found = read_tracked_images(folder), []
    card = read_card(folder)
    check_size(probes, card)
    names = tuple(probe.name for probe in probes)
    for done, epoch in enumerate(epochs):
        yield Progress("Asking the networks of earlier epochs", done, len(epochs))
        try:
            state = load_epoch(folder, epoch)["trainer"]
        except RunError:  # thinned out meanwhile, or damaged: that epoch stays empty
            continue
        arithmetic = Arithmetic(torch.device("cpu"))
        model = build_saved(folder, card, measured_weights(state), arithmetic.device)
        found.append(Probed(epoch, state["meter"]["step"], names, probabilities(model, card, probes, arithmetic)))
    return found
