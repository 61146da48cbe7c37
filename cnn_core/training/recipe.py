"""A run from start to end: settings -> data -> batches -> training -> best model -> test accuracy -> figures.

In: a TrainConfig and the run's folder. Out: a generator of events, and the folder's files. Closing the generator stops the run and
saves its state. It does not depend on where the events go or in which process it runs.
"""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import torch

from cnn_core.config.fitting import TOO_FEW_IMAGES
from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import divergence_remedy
from cnn_core.data.batches import Batches, Normalise
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.data.splits import split_training_images
from cnn_core.data.statistics import channel_statistics
from cnn_core.device import choose_arithmetic, choose_device, describe_device, determinism, should_compile
from cnn_core.errors import DataError, SettingError
from cnn_core.events import Event, Finished, Note, Progress, Started
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.features.store import FeatureStore, open_feature_store
from cnn_core.home import CURVES_IMAGE, PREDICTIONS_IMAGE, Home
from cnn_core.metrics.evaluation import evaluate, evaluation_key, save_evaluation
from cnn_core.models.checkpoint import drop_checkpoints
from cnn_core.models.layers import PreparedModel
from cnn_core.models.pretrained_input import Statistics, expected_statistics
from cnn_core.models.registry import count_trainable, is_depthwise
from cnn_core.models.saving import ModelCard, load_model, save_card
from cnn_core.training.augmentation import make_augmentations, make_mixing
from cnn_core.training.compilation import CompiledModel
from cnn_core.training.controls import TrainingControls
from cnn_core.training.figures import draw_predictions, draw_training_curves
from cnn_core.training.head_cross_validation import HeadCrossValidation
from cnn_core.training.loop import Trainer
from cnn_core.training.meter import Meter
from cnn_core.training.pretrained import recorded_sha256, with_weights_file
from cnn_core.training.resource_monitor import ResourceMonitor
from cnn_core.training.schedule import make_resizing
from cnn_core.training.session import TrainingSession
from cnn_core.training.stages import VALIDATION_BATCH, make_stages

PREPARATION_IMAGES = 5000  # images from which a model with a `prepare` method computes its first layer
TOO_LARGE_BATCH = "Batch size is {batch_size:,}, more than the {count:,} training images. Choose a smaller batch size."
NO_PREDICTIONS = "The out-of-fold predictions could not be written ({reason}). Free some disk space."
NO_FIGURES = "The images of the curves and the predictions could not be written ({reason}). Free some disk space."


def train_run(
    config: TrainConfig, folder: Path, home: Home, *, resume: bool = False, controls: TrainingControls | None = None
) -> Generator[Event | None, None, None]:
    """Train with the settings of `config`, leaving model, curves and predictions in `folder`. Raises StudioError.

    resume: continue from the folder's checkpoint, if there is one. controls: requests, read after every event of the training
    itself; while it is paused, None is yielded instead of events.
    """
    with determinism(config.deterministic):
        device = choose_device(config.device)
        source = open_images(config, home)
        images, validation = yield from load_training_images(source)
        yield from map(Note, images.notes)
        store = open_feature_store(source)
        trainer, card = make_trainer(with_weights_file(config, home), source.info, images, device, validation, store)
        has_drawn_validation = validation is None and not config.images_per_class
        del images, validation  # a stage that needs features alone frees them
        yield Started(
            parameters=count_trainable(trainer.model),
            device=f"{describe_device(device)}, {trainer.arithmetic}",
            train_count=len(trainer.batches.labels),
            val_count=len(trainer.validation.labels),
            test_count=source.info.test_count,
            steps_per_epoch=len(trainer.batches),
            epochs=config.epochs,
            patience=config.patience,
            classes=source.info.classes,
            class_counts=_count_classes(trainer.batches, source.info),
            val_class_counts=_count_classes(trainer.validation, source.info),
        )
        cross_validation = HeadCrossValidation(trainer, config, has_drawn_validation=has_drawn_validation)
        session = TrainingSession(trainer, config, source.info, card, folder, controls or TrainingControls())
        if resume:
            yield from session.resume()
        save_card(folder, card)
        yield from session
        out_of_fold = yield from cross_validation.run(session.config)
        if out_of_fold and not config.images_per_class:  # of all training images, for their label errors
            try:
                out_of_fold.save(folder, source.info, session.config)
            except OSError as error:
                yield Note(NO_PREDICTIONS.format(reason=error.strerror or error))

        test = yield from source.load("test")
        yield from map(Note, test.notes)
        best, card = load_model(folder, device)
        evaluation = yield from evaluate(best, card, test, device, store=store)
        save_evaluation(folder, evaluation_key(folder, config, source.info.fingerprint, "test", None), evaluation)
        yield Progress("Drawing curves and predictions", 0, 1)
        try:
            draw_training_curves(session.epochs, folder / CURVES_IMAGE)
            draw_predictions(test, evaluation, folder / PREDICTIONS_IMAGE)
        except OSError as error:
            yield Note(NO_FIGURES.format(reason=error.strerror or error))
        drop_checkpoints(folder)
        yield Finished(
            test_accuracy=evaluation.accuracy,
            test_loss=evaluation.loss,
            out_of_fold_accuracy=out_of_fold.accuracy if out_of_fold else None,
            out_of_fold_images=len(out_of_fold.labels) if out_of_fold else 0,
        )


def _count_classes(batches: EpochOrder, info: DataInfo) -> tuple[int, ...]:
    return tuple(batches.labels.bincount(minlength=len(info.classes)).tolist())


def make_trainer(
    config: TrainConfig,
    info: DataInfo,
    images: ImageSet,
    device: torch.device,
    validation: ImageSet | None = None,
    store: FeatureStore | None = None,
) -> tuple[Trainer, ModelCard]:
    """Return a new trainer and the card of its model. Raises DataError or SettingError when the settings do not fit the data.

    store: where features of frozen layers are kept, None for nowhere.
    """
    config = with_weights_file(config, Home.from_environment())  # where no caller has named the file, as in cross-validation
    training, validation = split_validation(images, config, validation)
    options = config.model_options
    expected = (
        expected_statistics(config.model, config.timm_name, config.starting_weights, info.channels)
        if config.has_statistics_of_weights
        else None
    )
    mean, std = expected or channel_statistics(training)
    card = ModelCard(
        model=config.model,
        options={name: value for name, value in options.items() if name != "weights"},
        classes=info.classes,
        channels=info.channels,
        image_size=info.image_size,
        mean=mean,
        std=std,
        ink=info.ink,
        fit=info.fit,
        interpolation=info.interpolation,
        crop_share=info.crop_share,
        kept_side=info.kept_side,
        stored_side=info.stored_side,
        mirror=config.averages_mirrored,
        fingerprint=info.fingerprint,
        weights_sha256=recorded_sha256(config.starting_weights),
    )
    depthwise = is_depthwise(config.model, config.timm_name)
    arithmetic = choose_arithmetic(config.precision, config.channels_last, device, depthwise=depthwise)
    torch.manual_seed(config.seed)
    model = card.build(weights=config.starting_weights)
    if isinstance(model, PreparedModel):
        stride = -(-len(training) // PREPARATION_IMAGES)  # images may be sorted by class
        sample = torch.from_numpy(training[::stride]).permute(0, 3, 1, 2)
        model.prepare(Normalise(mean, std, torch.device("cpu"))(sample))
    model = arithmetic.place(model)
    make_batches = partial(training_batches, config, info, training, (mean, std), device)
    make_validation = partial(Batches, validation, batch_size=VALIDATION_BATCH, device=device, mean=mean, std=std)
    freeze = partial(FrozenLayers, model, arithmetic=arithmetic, mean=mean, std=std, store=store)
    stages = make_stages(config, model, make_batches, make_validation, (training, validation), freeze)
    steps_per_epoch = len(stages[0].batches)
    return Trainer(
        model=model,
        batches=stages[0].batches,
        validation=stages[0].validation,
        optimizer=stages[0].optimizer,
        schedule=stages[0].schedule,
        stages=stages,
        arithmetic=arithmetic,
        epochs=config.epochs,
        label_smoothing=config.label_smoothing,
        clip_norm=config.clip_norm,
        ema=config.ema,
        patience=config.patience,
        resizing=make_resizing(config, steps_per_epoch, info.image_size),
        seed=config.seed,
        forward=CompiledModel(model) if should_compile(config.compile, device, config.epochs * steps_per_epoch) else None,
        starts_untrained=config.starting_weights == "scratch",
        meter=Meter(remedy=divergence_remedy(config), resources=ResourceMonitor(device)),
    ), card


def training_batches(
    config: TrainConfig, info: DataInfo, training: ImageSet, statistics: Statistics, device: torch.device
) -> Batches:
    """Return the batches of the training, whose augmentations are drawn from the seed. `statistics`: of the channels of `training`."""
    mean, std = statistics
    return Batches(
        training,
        batch_size=config.batch_size,
        device=device,
        mean=mean,
        std=std,
        augmentations=make_augmentations(config, info.image_size, mean),
        mix=make_mixing(config, len(info.classes)),
        shuffle=True,
        seed=config.seed,
    )


def load_training_images(source: DataSource) -> Generator[Progress, None, tuple[ImageSet, ImageSet | None]]:
    """Load the source's training images, and its validation images if it has any."""
    images = yield from source.load("train")
    validation = (yield from source.load("val")) if source.info.val_count else None
    return images, validation


def split_validation(images: ImageSet, config: TrainConfig, validation: ImageSet | None = None) -> tuple[ImageSet, ImageSet]:
    """Return training and validation images: `validation` if the set has its own, else a seeded, stratified sample of `images`.

    Raises DataError or SettingError when there are too few of either.
    """
    training_rows, validation_rows = split_training_images(images.labels, *config.drawn_by, has_validation=bool(validation))
    if not (validation or len(validation_rows)):
        raise DataError(TOO_FEW_IMAGES.format(data=config.data))
    if config.batch_size > len(training_rows):
        raise SettingError(TOO_LARGE_BATCH.format(batch_size=config.batch_size, count=len(training_rows)), "batch_size")
    return images.take(training_rows), validation or images.take(validation_rows)
