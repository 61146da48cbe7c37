"""Predictions for training images by models that were not trained on them: K-fold cross-validation with a quick recipe.

In: a run's settings, its training and validation images, its folder. Out: OutOfFoldPredictions, the logits of every image by the model
that was trained without it. Each fold is saved as soon as it is done, so that cancelled work continues with the next one. The result
is saved with the rows of the images, and stays valid when labels are corrected or images are excluded.
"""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.data.splits import draw_folds
from cnn_core.device import choose_device, determinism
from cnn_core.errors import DataError
from cnn_core.events import Progress, Steps
from cnn_core.features.kept_layers import read_for_model
from cnn_core.features.store import FeatureStore, open_feature_store
from cnn_core.files import write_atomically
from cnn_core.home import EVALUATIONS
from cnn_core.inference.logits import compute_logits
from cnn_core.models.registry import min_image_side
from cnn_core.training.head_cross_validation import FOLDS as HEAD_FOLDS
from cnn_core.training.loop import Trainer
from cnn_core.training.out_of_fold import (
    OutOfFoldPredictions,
    digest,
    read_logits,
    read_out_of_fold,
    recipe_key,
    rows_of,
    save_out_of_fold,
    writing,
)
from cnn_core.training.recipe import load_training_images, make_trainer
from cnn_core.training.stages import HEAD, StagePlan, plan_stages

FOLDS = 4
VALIDATION_IMAGES = 500  # training images that are used for validation, since the held-out images must not be
TOTAL_IMAGES, MIN_EPOCHS, MAX_EPOCHS = 300_000, 4, 30  # images of all epochs together, and limits of the number of epochs
BATCH = 500
QUICK = {"model": "speed", "width": 0.5, "activation": "relu", "batch_size": 64}
MODEL_STAGE = "Model {number} of {folds}"
TOO_FEW_IMAGES = "{count} images are too few for {folds} folds. Add images."


def quick_recipe(config: TrainConfig, image_size: int, count: int) -> TrainConfig:
    """Return settings that train on `count` images in a fraction of the time: SpeedNet with half the width.

    Flip, seed, device and precision are those of the run. Where the images are too small for SpeedNet, return `config` itself; so too, without mirrored
    predictions, where only the head learns, on kept features. count: includes excluded images, so that excluding one more does not change the settings.
    """
    if plan_stages(config) == (StagePlan(HEAD, 0, config.epochs),):
        return make_config(**{**config.model_dump(), "mirror": False})
    if image_size < min_image_side("speed"):
        return config
    flips = config.flip != "off"
    return make_config(
        data=config.data,
        epochs=min(MAX_EPOCHS, max(MIN_EPOCHS, round(TOTAL_IMAGES / count))),
        flip="alternating" if flips else "off",
        mirror=flips,
        seed=config.seed,
        device=config.device,
        precision=config.precision,
        **QUICK,
    )


def count_folds(recipe: TrainConfig) -> int:
    """Return the usual number of folds: HEAD_FOLDS for heads on kept features, which take seconds, as at the end of their training; else FOLDS."""
    return HEAD_FOLDS if recipe.learns_on_features else FOLDS


def cross_validate_run(
    source: DataSource, folder: Path, recipe: TrainConfig, folds: int = FOLDS
) -> Generator[Progress, None, OutOfFoldPredictions]:
    """Return the predictions for all training and validation images of the run in `folder`, saved ones if they cover them. Raises StudioError."""
    images = yield from load_all_training_images(source)
    saved = read_out_of_fold(folder, source.info, recipe, folds)
    if saved and saved.covers(rows_of(images)):
        return saved
    return (yield from cross_validate(images, source.info, recipe, folder, folds, open_feature_store(source)))


def load_all_training_images(source: DataSource) -> Generator[Progress, None, ImageSet]:
    """Load training and validation images as one set, by ascending rows. Raises DataError."""
    images, validation = yield from load_training_images(source)
    if validation is None:
        return images
    rows = np.concatenate((rows_of(images), rows_of(validation)))
    labels = np.concatenate((images.labels, validation.labels))
    order = np.argsort(rows)
    return ImageSet(images.pool, labels[order], rows=rows[order])


def cross_validate(
    images: ImageSet,
    info: DataInfo,
    recipe: TrainConfig,
    folder: Path,
    folds: int = FOLDS,
    store: FeatureStore | None = None,
) -> Generator[Progress, None, OutOfFoldPredictions]:
    """Train `folds` models with `recipe`, each without one fold of `images`, which it then classifies. Raises StudioError.

    store: where features of frozen layers are kept, None for nowhere. Early stopping is off: held-out images must not decide when training ends.
    """
    recipe = make_config(**{**recipe.model_dump(), "patience": 0})
    fold_of = stratified_folds(images.labels, folds, recipe.seed)
    place = folder / EVALUATIONS
    with writing():
        place.mkdir(parents=True, exist_ok=True)
    key = _fold_key(images, info, recipe, folds)
    for old in place.glob("fold-*.npy"):
        if not old.name.startswith(f"fold-{key}-"):
            old.unlink(missing_ok=True)
    paths = [place / f"fold-{key}-{number}.npy" for number in range(folds)]
    for number, path in enumerate(paths):
        if read_logits(path, ((fold_of == number).sum(), len(info.classes))) is None:
            logits = yield from _held_out_logits(images, info, recipe, fold_of, number, folds, store)
            with writing():
                write_atomically(path, partial(np.save, arr=logits))
    logits = np.empty((len(images), len(info.classes)), np.float32)
    for number, path in enumerate(paths):
        logits[fold_of == number] = np.load(path)
    predictions = OutOfFoldPredictions(info.classes, logits, rows_of(images), folds, recipe_key(info, recipe, folds))
    with writing():
        save_out_of_fold(folder, predictions)
    for path in paths:
        path.unlink(missing_ok=True)
    return predictions


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold (N,) int64 in which each image is held out. Classes and images are spread evenly over the folds.

    Raises DataError with fewer than two images for each fold.
    """
    if len(labels) < 2 * folds:
        raise DataError(TOO_FEW_IMAGES.format(count=len(labels), folds=folds))
    return draw_folds(labels, folds, seed)


def _held_out_logits(
    images: ImageSet,
    info: DataInfo,
    recipe: TrainConfig,
    fold_of: np.ndarray,
    number: int,
    folds: int,
    store: FeatureStore | None,
) -> Generator[Progress, None, np.ndarray]:
    """Return the logits (n, classes) float32 of the images of fold `number` by a model trained on all others."""
    device = choose_device(recipe.device)
    stage = MODEL_STAGE.format(number=number + 1, folds=folds)
    yield Progress(f"{stage}: preparing", 0, 1)
    training, held_out = images.take(np.flatnonzero(fold_of != number)), images.take(np.flatnonzero(fold_of == number))
    validation = training.take(np.arange(0, len(training), max(1, len(training) // VALIDATION_IMAGES)))
    if recipe.batch_size > len(training):
        recipe = make_config(**{**recipe.model_dump(), "batch_size": len(training)})
    with determinism(recipe.deterministic):
        trainer, card = make_trainer(recipe, info, training, device, validation, store)
        yield from _train(trainer, f"{stage}: training")
        reading = yield from read_for_model(trainer.validated_model, card, held_out, device, store, batch_size=BATCH)
        logits = yield from compute_logits(
            reading.module, reading.batches, f"{stage}: classifying held-out images", trainer.arithmetic
        )
    return logits.cpu().numpy()


def _train(trainer: Trainer, stage: str) -> Generator[Progress, None, None]:
    total = trainer.epochs * len(trainer.batches)
    for event in trainer:
        if isinstance(event, Steps):
            yield Progress(stage, event.step, total)


def _fold_key(images: ImageSet, info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """Return a key of the recipe and of every image and label."""
    return digest(recipe_key(info, recipe, folds), rows_of(images).tobytes(), images.labels.tobytes())
