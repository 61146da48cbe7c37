"""Predictions for training images by models that were not trained on them: K-fold cross-validation with a quick recipe.

In: a run's settings, its training and validation images, its folder. Out: OutOfFoldPredictions, the logits of every image by the model
that was trained without it. Each fold is saved as soon as it is done, so that cancelled work continues with the next one. The result
is saved with the rows of the images, and stays valid when labels are corrected or images are excluded.
"""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.data.splits import draw_folds
from cnn_core.device import choose_device, determinism
from cnn_core.errors import DataError, StudioError
from cnn_core.events import Progress, Steps
from cnn_core.features.kept_layers import read_for_model
from cnn_core.features.store import FeatureStore, open_feature_store
from cnn_core.files import write_atomically
from cnn_core.home import EVALUATIONS
from cnn_core.inference.logits import compute_logits
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.models.registry import min_image_side
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import load_training_images, make_trainer
from cnn_core.training.stages import HEAD, StagePlan, plan_stages

FOLDS = 4
VALIDATION_IMAGES = 500  # training images that are used for validation, since the held-out images must not be
TOTAL_IMAGES, MIN_EPOCHS, MAX_EPOCHS = 300_000, 4, 30  # images of all epochs together, and limits of the number of epochs
BATCH = 500
QUICK = {"model": "speed", "width": 0.5, "activation": "relu", "batch_size": 64}
MODEL_STAGE = "Model {number} of {folds}"
NOT_SAVED = "The predictions could not be written ({reason}). Free some disk space and start again; folds that are done are not trained again."
TOO_FEW_IMAGES = "{count} images are too few for {folds} folds. Add images."


@dataclass(frozen=True, eq=False)
class OutOfFoldPredictions:
    """`logits` (N, classes) float32, perhaps a memory-mapped file, of the images in `rows` (N,) int64 of the set, ascending.

    `key`: identifies the settings.
    """

    classes: tuple[str, ...]
    logits: np.ndarray
    rows: np.ndarray
    key: str

    def covers(self, rows: np.ndarray) -> bool:
        """Whether all of `rows` (n,) are among these images."""
        return bool(np.isin(rows, self.rows).all())

    def evaluate(self, images: ImageSet) -> Evaluation:
        """Return the evaluation of `images`, in their order and with their current labels."""
        rows = rows_of(images)
        logits = self.logits if np.array_equal(self.rows, rows) else self.logits[np.searchsorted(self.rows, rows)]
        return Evaluation(
            self.classes, logits, images.labels, key=f"{self.key}-{_digest(rows.tobytes(), images.labels.tobytes())}"
        )


def rows_of(images: ImageSet) -> np.ndarray:
    """Return the rows (N,) int64 of images that come from an imported set."""
    assert images.rows is not None, "images of an imported set have rows"
    return images.rows


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
    with _writing():
        place.mkdir(parents=True, exist_ok=True)
    key = _fold_key(images, info, recipe, folds)
    for old in place.glob("fold-*.npy"):
        if not old.name.startswith(f"fold-{key}-"):
            old.unlink(missing_ok=True)
    paths = [place / f"fold-{key}-{number}.npy" for number in range(folds)]
    for number, path in enumerate(paths):
        if _read_logits(path, ((fold_of == number).sum(), len(info.classes))) is None:
            logits = yield from _held_out_logits(images, info, recipe, fold_of, number, folds, store)
            with _writing():
                write_atomically(path, partial(np.save, arr=logits))
    logits = np.empty((len(images), len(info.classes)), np.float32)
    for number, path in enumerate(paths):
        logits[fold_of == number] = np.load(path)
    predictions = OutOfFoldPredictions(info.classes, logits, rows_of(images), _recipe_key(info, recipe, folds))
    with _writing():
        _save(folder, predictions)
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


def read_out_of_fold(folder: Path, info: DataInfo, recipe: TrainConfig, folds: int = FOLDS) -> OutOfFoldPredictions | None:
    """Return the saved result of a cross-validation with `recipe` on the images of `info`, or None."""
    key = _recipe_key(info, recipe, folds)
    path = folder / EVALUATIONS / f"unseen-{key}.npy"
    try:
        rows = np.load(path.with_suffix(".rows.npy"), allow_pickle=False)
        logits = _read_logits(path, (len(rows), len(info.classes)))
        is_valid = rows.dtype == np.int64 and bool((np.diff(rows) > 0).all())
    except Exception:  # missing or damaged: it is computed again
        return None
    return OutOfFoldPredictions(info.classes, logits, rows, key) if is_valid and logits is not None else None


def _read_logits(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    try:
        logits = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing or damaged
        return None
    return logits if logits.dtype == np.float32 and logits.shape == tuple(shape) else None


@contextmanager
def _writing() -> Iterator[None]:
    """Raise StudioError where the block cannot write its files."""
    try:
        yield
    except OSError as error:
        raise StudioError(NOT_SAVED.format(reason=error.strerror or error)) from None


def _save(folder: Path, predictions: OutOfFoldPredictions) -> None:
    path = folder / EVALUATIONS / f"unseen-{predictions.key}.npy"
    write_atomically(path.with_suffix(".rows.npy"), lambda file: np.save(file, predictions.rows))
    write_atomically(path, lambda file: np.save(file, predictions.logits))


def _recipe_key(info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """Return a key of the recipe, the shape of the images, and the set as it was imported and split, without its corrections."""
    recipe = make_config(**{**recipe.model_dump(), "patience": 0})
    resizing = (info.interpolation, info.crop_share)
    own = () if resizing == ("bicubic", 1.0) else resizing  # predictions of earlier versions stay valid
    chosen = recipe.model_dump_json(exclude={"interpolation", "crop_share"})
    return _digest(info.fingerprint.partition("-")[0], info.image_size, info.fit, info.classes, chosen, folds, *own)


def _fold_key(images: ImageSet, info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """Return a key of the recipe and of every image and label."""
    return _digest(_recipe_key(info, recipe, folds), rows_of(images).tobytes(), images.labels.tobytes())


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
