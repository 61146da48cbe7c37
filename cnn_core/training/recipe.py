"""The whole story of a run, top to bottom: settings -> data -> batches -> training -> best model -> test -> pictures.

In: a TrainConfig and the run's folder. Out: a generator of events, and the folder's files. Closing the generator stops the run
and keeps what was learned; who drives it, and where its events go, is not known here.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from cnn_core.analysis.evaluation import evaluate, save_predictions
from cnn_core.analysis.pictures import draw_predictions, draw_training_curves
from cnn_core.config import TrainConfig
from cnn_core.data.augment import Augmentation, RandomCrop, RandomFlip
from cnn_core.data.batches import Batches, channel_statistics
from cnn_core.data.catalog import open_source
from cnn_core.data.source import ImageSet
from cnn_core.data.split import stratified_split
from cnn_core.device import choose_device, describe_device
from cnn_core.errors import DataError, SettingError
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Started
from cnn_core.home import CURVES_PICTURE, PREDICTIONS_PICTURE, Home
from cnn_core.models.saved import ModelCard, load_model, save_card, save_weights
from cnn_core.training.loop import train
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.schedule import make_schedule


def train_run(config: TrainConfig, folder: Path, home: Home) -> Iterator[Event]:
    """Train as `config` says, leaving model, curves and predictions in `folder`. Raises StudioError for what a person can put right."""
    device = choose_device(config.device)
    source = open_source(config.data, home)
    images = yield from source.load("train")
    yield from map(Note, images.notes)
    training, validation = split_validation(images, config)
    mean, std = channel_statistics(training.images)
    info = source.info
    card = ModelCard(
        model=config.model,
        classes=info.classes,
        channels=info.channels,
        image_size=info.image_size,
        mean=mean,
        std=std,
        ink=info.ink,
        fingerprint=info.fingerprint,
    )

    torch.manual_seed(config.seed)
    model = card.build(config.dropout).to(device, memory_format=torch.channels_last)
    batches = Batches(
        training,
        batch_size=config.batch_size,
        device=device,
        mean=mean,
        std=std,
        augmentations=augmentations(config, info.image_size),
        shuffle=True,
        seed=config.seed,
    )
    held_out = Batches(validation, batch_size=500, device=device, mean=mean, std=std)
    optimizer = make_optimizer(config.optimizer, model, config.learning_rate)
    schedule = make_schedule(config.schedule, peak=config.learning_rate, steps=config.epochs * len(batches))
    save_card(folder, card)
    yield Started(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        device=describe_device(device),
        train_count=len(training),
        val_count=len(validation),
        test_count=info.test_count,
        steps_per_epoch=len(batches),
        epochs=config.epochs,
    )

    epochs: list[Epoch] = []
    try:
        for event in train(model, batches, held_out, optimizer, schedule, epochs=config.epochs):
            if isinstance(event, Epoch):
                epochs.append(event)
                if event.is_best:
                    save_weights(folder, model)
            yield event
    except GeneratorExit:
        if not epochs:  # stopped within the first epoch: better its weights than none
            save_weights(folder, model)
        raise

    test = yield from source.load("test")
    yield from map(Note, test.notes)
    best, card = load_model(folder, device)
    evaluation = yield from evaluate(best, card, test, device)
    save_predictions(folder, evaluation, info.fingerprint)
    yield Progress("Drawing curves and predictions", 0, 1)
    draw_training_curves(epochs, folder / CURVES_PICTURE)
    draw_predictions(test.images, evaluation, folder / PREDICTIONS_PICTURE)
    yield Finished(test_accuracy=evaluation.accuracy, test_loss=evaluation.loss)


def split_validation(images: ImageSet, config: TrainConfig) -> tuple[ImageSet, ImageSet]:
    """Training and validation images, seeded and stratified. Raises DataError or SettingError when either would be unusable."""
    rest, kept = stratified_split(images.labels, config.validation_share, config.seed)
    if not len(kept):
        raise DataError(
            f"Data set “{config.data}” has too few images to keep any for validation. Every class needs at least two training images."
        )
    if config.batch_size > len(rest):
        raise SettingError(
            f"Batch size is {config.batch_size:,}, more than the {len(rest):,} training images. Choose a smaller batch size.",
            "batch_size",
        )
    return tuple(ImageSet(np.ascontiguousarray(images.images[part]), images.labels[part]) for part in (rest, kept))


def augmentations(config: TrainConfig, image_size: int) -> tuple[Augmentation, ...]:
    """The augmentations that are switched on; a crop shifts by up to an eighth of the side."""
    chosen: list[Augmentation] = []
    if config.crop:
        chosen.append(RandomCrop(image_size // 8))
    if config.flip:
        chosen.append(RandomFlip())
    return tuple(chosen)
