"""What networks say of training images that they never saw: K-fold cross-validation by a quick recipe.

In: a run's settings, its training and validation images, its folder. Out: OutOfSample, every image's logits by the network that was
trained without it. Each fold is kept as soon as it is done, so that work that was cancelled or killed goes on with the next one; the whole
is kept by the rows of the images, and stays true when labels are corrected or images are excluded.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.device import choose_device, determinism
from cnn_core.errors import DataError
from cnn_core.events import Progress, Steps
from cnn_core.files import write_atomically
from cnn_core.home import EVALUATIONS
from cnn_core.inference.logits import compute_logits
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.models.registry import least_side
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import load_training, prepare

FOLDS = 4
CHECKED = 500  # training images that are looked at after an epoch: the held-out ones are not to be
ENOUGH, FEWEST_EPOCHS, MOST_EPOCHS = 300_000, 4, 30  # images that a network is shown in all, and the passes that makes
BATCH = 500
QUICK = {"model": "speed", "width": 0.5, "activation": "relu", "batch_size": 64}


@dataclass(frozen=True, eq=False)
class OutOfFoldPredictions:
    """logits (N, classes) float32, which may be a memory-mapped file, of the images in `rows` (N,) int64 of the set, ascending. `key`: another
    one for other settings."""

    classes: tuple[str, ...]
    logits: np.ndarray
    rows: np.ndarray
    key: str

    def covers(self, rows: np.ndarray) -> bool:
        """Whether all of `rows` (n,) are among these images."""
        return bool(np.isin(rows, self.rows).all())

    def of(self, images: ImageSet) -> Evaluation:
        """The evaluation of `images`, in their order and with the labels they have now."""
        logits = self.logits if np.array_equal(self.rows, images.rows) else self.logits[np.searchsorted(self.rows, images.rows)]
        return Evaluation(
            self.classes, logits, images.labels, key=f"{self.key}-{_digest(images.rows.tobytes(), images.labels.tobytes())}"
        )


def quick_recipe(config: TrainConfig, image_size: int, count: int) -> TrainConfig:
    """Settings that learn `count` images of a run in a fraction of the time: SpeedNet at half its width, with the run's own flip, seed and
    machine. The run's own settings where images are too small for it.

    count: excluded images too, so that excluding one more does not ask for other settings.
    """
    if image_size < least_side("speed"):
        return config
    flips = config.flip != "off"
    return make_config(
        data=config.data,
        epochs=min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(ENOUGH / count))),
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
    """All training and validation images of a run in `folder`, from what is kept there where that covers them. Raises StudioError."""
    images = yield from load_learned(source)
    kept = read_out_of_fold(folder, source.info, recipe, folds)
    if kept and kept.covers(images.rows):
        return kept
    return (yield from cross_validate(images, source.info, recipe, folder, folds))


def load_learned(source: DataSource) -> Generator[Progress, None, ImageSet]:
    """Training and validation images as one set, by ascending rows. Raises DataError."""
    images, validation = yield from load_training(source)
    if validation is None:
        return images
    rows, labels = (np.concatenate(pair) for pair in ((images.rows, validation.rows), (images.labels, validation.labels)))
    order = np.argsort(rows)
    return ImageSet(images.pool, labels[order], rows=rows[order])


def cross_validate(
    images: ImageSet, info: DataInfo, recipe: TrainConfig, folder: Path, folds: int = FOLDS
) -> Generator[Progress, None, OutOfFoldPredictions]:
    """Train `folds` networks by `recipe`, each without a share of `images`, of which it then gives the logits. Raises StudioError.

    Early stopping is off: the epoch count of the recipe decides, and nothing that is held out.
    """
    recipe = make_config(**{**recipe.model_dump(), "patience": 0})
    fold_of = stratified_folds(images.labels, folds, recipe.seed)
    place = folder / EVALUATIONS
    place.mkdir(parents=True, exist_ok=True)
    key = _fold_key(images, info, recipe, folds)
    for old in place.glob("fold-*.npy"):
        if not old.name.startswith(f"fold-{key}-"):
            old.unlink(missing_ok=True)
    paths = [place / f"fold-{key}-{number}.npy" for number in range(folds)]
    for number, path in enumerate(paths):
        if _read_logits(path, ((fold_of == number).sum(), len(info.classes))) is None:
            logits = yield from _held_out_logits(images, info, recipe, fold_of, number, folds)
            write_atomically(path, lambda file, logits=logits: np.save(file, logits))
    logits = np.empty((len(images), len(info.classes)), np.float32)
    for number, path in enumerate(paths):
        logits[fold_of == number] = np.load(path)
    found = OutOfFoldPredictions(info.classes, logits, images.rows, _whole_key(info, recipe, folds))
    _save(folder, found)
    for path in paths:
        path.unlink(missing_ok=True)
    return found


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Of each image (N,) the fold that it is held out in, int64: every class is dealt out evenly, and so are all images.

    Raises DataError with fewer images than folds.
    """
    if len(labels) < 2 * folds:
        raise DataError(f"{len(labels)} images are too few to be held out in {folds} turns. Add images first.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, at random within each
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    return fold_of


def _held_out_logits(
    images: ImageSet, info: DataInfo, recipe: TrainConfig, fold_of: np.ndarray, number: int, folds: int
) -> Generator[Progress, None, np.ndarray]:
    """Logits (n, classes) float32 of the images of fold `number`, by a network trained on all others."""
    device = choose_device(recipe.device)
    stage = f"Network {number + 1} of {folds}"
    yield Progress(f"{stage}: preparing", 0, 1)
    seen, held_out = images.take(np.flatnonzero(fold_of != number)), images.take(np.flatnonzero(fold_of == number))
    checked = seen.take(np.arange(0, len(seen), max(1, len(seen) // CHECKED)))
    if recipe.batch_size > len(seen):
        recipe = make_config(**{**recipe.model_dump(), "batch_size": len(seen)})
    with determinism(recipe.deterministic):
        trainer, card = prepare(recipe, info, seen, device, checked)
        yield from _train(trainer, f"{stage} learns")
        batches = Batches(held_out, batch_size=BATCH, device=device, mean=card.mean, std=card.std)
        logits = yield from compute_logits(trainer.measured, batches, f"{stage} classifies what it never saw", trainer.arithmetic)
    return logits.cpu().numpy()


def _train(trainer: Trainer, stage: str) -> Generator[Progress, None, None]:
    total = trainer.epochs * len(trainer.batches)
    for event in trainer:
        if isinstance(event, Steps):
            yield Progress(stage, event.step, total)


def read_out_of_fold(folder: Path, info: DataInfo, recipe: TrainConfig, folds: int = FOLDS) -> OutOfFoldPredictions | None:
    """What is kept of a whole cross-validation by `recipe` on the images of `info`, or None."""
    key = _whole_key(info, recipe, folds)
    path = folder / EVALUATIONS / f"unseen-{key}.npy"
    try:
        rows = np.load(path.with_suffix(".rows.npy"), allow_pickle=False)
        logits = _read_logits(path, (len(rows), len(info.classes)))
        is_whole = logits is not None and rows.dtype == np.int64 and bool((np.diff(rows) > 0).all())
    except Exception:  # missing or damaged: it can be computed anew
        return None
    return OutOfFoldPredictions(info.classes, logits, rows, key) if is_whole else None


def _read_logits(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    try:
        logits = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing or damaged
        return None
    return logits if logits.dtype == np.float32 and logits.shape == tuple(shape) else None


def _save(folder: Path, found: OutOfFoldPredictions) -> None:
    path = folder / EVALUATIONS / f"unseen-{found.key}.npy"
    write_atomically(path.with_suffix(".rows.npy"), lambda file: np.save(file, found.rows))
    write_atomically(path, lambda file: np.save(file, found.logits))


def _whole_key(info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """The same for the same recipe on the same set as it was imported and split; corrections play no part."""
    recipe = make_config(**{**recipe.model_dump(), "patience": 0})
    return _digest(info.fingerprint.partition("-")[0], info.classes, recipe.model_dump_json(), folds)


def _fold_key(images: ImageSet, info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """The same as long as not a single image or label is another one."""
    return _digest(_whole_key(info, recipe, folds), images.rows.tobytes(), images.labels.tobytes())


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
