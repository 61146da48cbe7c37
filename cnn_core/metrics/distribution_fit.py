"""Fitting the distribution of a run's training images, with which images unlike them are recognised.

In: a run. Out: a generator of Progress whose value is the TrainingDistribution of its best model; it is cached in the run's `evaluations/`.
"""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.source import ImageSet
from cnn_core.device import choose_device
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.inference.distribution import (
    FeatureExtractor,
    TrainingDistribution,
    fit_layers,
    load_distribution,
    make_thumbnails,
    save_distribution,
)
from cnn_core.metrics.evaluation import check_classes, load_split
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.models.saving import ModelCard, load_model

MOST_TRAINING, MOST_VALIDATION = 2000, 1000  # images whose features are computed: balanced samples
MIN_VALIDATION = 20  # images: with fewer, more than one in twenty images like them would be reported as unlike
BATCH, SHRINK_BATCH = 50, 500
STAGE = "Comparing training images"


def fit_distribution(run: str, config: TrainConfig, home: Home) -> Generator[Progress, None, TrainingDistribution | None]:
    """Return the distribution of the training images of `run`, computed unless it is cached for the same weights.

    None where there is none: the images are no longer there or have other classes, or fewer than MIN_VALIDATION are validation images.
    Yields Progress. Raises RunError without a model.
    """
    folder = home.run_folder(run)
    if cached := load_distribution(folder):
        return cached
    model, card = load_model(folder, choose_device("auto"))
    try:
        training, validation = yield from _load(run, config, home)
    except StudioError:
        return None
    if len(validation) < MIN_VALIDATION:
        return None
    images = [_sample(training, MOST_TRAINING), _sample(validation, MOST_VALIDATION)]
    features = yield from _extract(model, card, images)
    if not all(np.isfinite(values).all() for split in features for values in split) or not features[0]:
        return None  # the model diverged, or has no layers to compare
    distribution = fit_layers(features[0], images[0].labels, features[1])
    if len(training) > MOST_TRAINING:
        distribution = replace(distribution, thumbnails=(yield from _shrink(training)))
    save_distribution(folder, distribution)
    return distribution


def _load(run: str, config: TrainConfig, home: Home) -> Generator[Progress, None, tuple[ImageSet, ImageSet]]:
    source = open_images(config, home)
    if isinstance(source, OnDemandSource):
        yield from source.check_changes()
    check_classes(home.run_folder(run), source)
    training = yield from load_split(source, config, "train")
    validation = yield from load_split(source, config, "val")
    return training, validation


def _sample(images: ImageSet, limit: int) -> ImageSet:
    return images.take(spread_over_classes(images.labels, limit))


def _shrink(images: ImageSet) -> Generator[Progress, None, np.ndarray]:
    """Return the thumbnails of all images."""
    parts = []
    for start in range(0, len(images), SHRINK_BATCH):
        yield Progress(STAGE, start, len(images))
        parts.append(make_thumbnails(images[start : start + SHRINK_BATCH]))
    return np.concatenate(parts)


def _extract(model: nn.Module, card: ModelCard, splits: list[ImageSet]) -> Generator[Progress, None, list[list[np.ndarray]]]:
    """Return the features of every split, one array (N, D) a layer."""
    extractor, total, done, results = FeatureExtractor(model), sum(len(images) for images in splits), 0, []
    device: torch.device = next(model.parameters()).device
    for images in splits:
        batches = Batches(images, batch_size=BATCH, device=device, mean=card.mean, std=card.std)
        parts = []
        for batch, _ in batches:
            yield Progress(STAGE, done, total)
            parts.append(extractor.extract(batch))
            done += len(batch)
        results.append([np.concatenate(layer) for layer in zip(*parts, strict=True)])
    return results
