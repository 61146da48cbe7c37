"""Out-of-fold predictions of a run: for each image the logits of a model that was trained without it, as they are saved in the run's folder.

In: logits by the rows of the images. Out: the same, as an Evaluation of any of these images. They are saved by the recipe that trained the models and
the set as it was imported and split, so they stay valid when labels are corrected or images are excluded.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.errors import StudioError
from cnn_core.files import write_atomically
from cnn_core.home import EVALUATIONS
from cnn_core.metrics.evaluation import Evaluation

NOT_SAVED = "The predictions could not be written ({reason}). Free some disk space and start again; folds that are done are not trained again."


@dataclass(frozen=True, eq=False)
class OutOfFoldPredictions:
    """`logits` (N, classes) float32, perhaps a memory-mapped file, of the images in `rows` (N,) int64 of the set, ascending.

    `folds`: the number of models, each trained without one fold of the images. `key`: identifies the settings.
    """

    classes: tuple[str, ...]
    logits: np.ndarray
    rows: np.ndarray
    folds: int
    key: str

    def covers(self, rows: np.ndarray) -> bool:
        """Whether all of `rows` (n,) are among these images."""
        return bool(np.isin(rows, self.rows).all())

    def evaluate(self, images: ImageSet) -> Evaluation:
        """Return the evaluation of `images`, in their order and with their current labels."""
        rows = rows_of(images)
        logits = self.logits if np.array_equal(self.rows, rows) else self.logits[np.searchsorted(self.rows, rows)]
        return Evaluation(
            self.classes, logits, images.labels, key=f"{self.key}-{digest(rows.tobytes(), images.labels.tobytes())}"
        )


def rows_of(images: ImageSet) -> np.ndarray:
    """Return the rows (N,) int64 of images that come from an imported set."""
    assert images.rows is not None, "images of an imported set have rows"
    return images.rows


def read_out_of_fold(folder: Path, info: DataInfo, recipe: TrainConfig, folds: int) -> OutOfFoldPredictions | None:
    """Return the saved result of a cross-validation with `recipe` on the images of `info`, or None."""
    key = recipe_key(info, recipe, folds)
    path = folder / EVALUATIONS / f"unseen-{key}.npy"
    try:
        rows = np.load(path.with_suffix(".rows.npy"), allow_pickle=False)
        logits = read_logits(path, (len(rows), len(info.classes)))
        is_valid = rows.dtype == np.int64 and bool((np.diff(rows) > 0).all())
    except Exception:  # missing or damaged: it is computed again
        return None
    return OutOfFoldPredictions(info.classes, logits, rows, folds, key) if is_valid and logits is not None else None


def read_logits(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the memory-mapped logits in the file at `path`; None where there are none of this shape."""
    try:
        logits = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing or damaged
        return None
    return logits if logits.dtype == np.float32 and logits.shape == tuple(shape) else None


@contextmanager
def writing() -> Iterator[None]:
    """Raise StudioError where the block cannot write its files."""
    try:
        yield
    except OSError as error:
        raise StudioError(NOT_SAVED.format(reason=error.strerror or error)) from None


def save_out_of_fold(folder: Path, predictions: OutOfFoldPredictions) -> None:
    """Save the predictions in the folder of their run. Raises OSError."""
    (folder / EVALUATIONS).mkdir(parents=True, exist_ok=True)
    path = folder / EVALUATIONS / f"unseen-{predictions.key}.npy"
    write_atomically(path.with_suffix(".rows.npy"), lambda file: np.save(file, predictions.rows))
    write_atomically(path, lambda file: np.save(file, predictions.logits))


def recipe_key(info: DataInfo, recipe: TrainConfig, folds: int) -> str:
    """Return a key of the recipe, the shape of the images, and the set as it was imported and split, without its corrections."""
    recipe = make_config(**{**recipe.model_dump(), "patience": 0})
    resizing = (info.interpolation, info.crop_share)
    own = () if resizing == ("bicubic", 1.0) else resizing  # predictions of earlier versions stay valid
    chosen = recipe.model_dump_json(exclude={"interpolation", "crop_share"})
    return digest(info.fingerprint.partition("-")[0], info.image_size, info.fit, info.classes, chosen, folds, *own)


def digest(*facts: object) -> str:
    """Return a key of these facts, 16 hexadecimal digits."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
