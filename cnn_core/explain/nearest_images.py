"""The training images whose features are most similar to those of an image.

In: a run, then an image's features. Out: a FeatureBank of its training images, and the nearest of them by cosine similarity. Features are
computed once per model and data and cached in the run's `evaluations/` as float16, which halves the size and changes a cosine by less than 0.001.
"""

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import ImageSet, finish
from cnn_core.device import choose_device
from cnn_core.events import Progress
from cnn_core.explain.embedding import compute_features
from cnn_core.features.store import open_feature_store
from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS, Home
from cnn_core.inference.confidence import model_key
from cnn_core.metrics.evaluation import check_classes, load_split
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.models.saving import ModelCard, load_model

MOST = 10_000  # images: a query stays below 50 ms, and the features of most networks below 60 MB
PREFIX = "neighbours-"


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Training images and their normalised features.

    `images`: the run's training images, or a balanced sample of MOST of them; `indices` (n,) int64: their positions among all `total`.
    `directions` (n, D) float32: features of length 1, or all 0.
    """

    images: ImageSet
    indices: np.ndarray
    directions: np.ndarray
    total: int

    @property
    def is_sample(self) -> bool:
        """Whether the images are a sample of all training images."""
        return len(self.indices) < self.total

    def nearest(self, features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (k,) int64 of the `count` images most similar to `features` (D,), and their cosines (k,) float32."""
        cosines = self.directions @ normalise_features(features[None])[0]
        count = min(count, len(cosines))
        best = np.argpartition(-cosines, count - 1)[:count]
        order = best[np.lexsort((best, -cosines[best]))]
        return order, cosines[order]


def open_feature_bank(run: str, config: TrainConfig, home: Home) -> Generator[Progress, None, FeatureBank]:
    """Open the bank of the best model of `run`; features are computed if none are cached for this model and data.

    Yields Progress. Raises RunError or DataError.
    """
    folder = home.run_folder(run)
    source = open_images(config, home)
    check_classes(folder, source)
    path = folder / EVALUATIONS / f"{PREFIX}{feature_bank_key(folder, config, source.info.fingerprint)}.npy"
    training_images = yield from load_split(source, config, "train")
    indices = spread_over_classes(training_images.labels, MOST)
    images = _take_images(training_images, indices)
    directions = _read(path, len(images))
    if directions is None:
        model, card = load_model(folder, choose_device("auto"))
        features = yield from compute_features(model, card, images, open_feature_store(source))
        directions = normalise_features(features).astype(np.float16).astype(np.float32)  # as read from the file later
        _save(path, directions)
    return FeatureBank(images, indices, directions, len(training_images))


def feature_bank_key(folder: Path, config: TrainConfig, fingerprint: str) -> str:
    """Return the cache key of a model with its training images. Raises RunError if there is no model."""
    facts = (model_key(folder), (folder / CARD).read_bytes(), fingerprint, *config.drawn_by, MOST)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def compute_image_features(model: nn.Module, card: ModelCard, pixels: np.ndarray) -> np.ndarray:
    """Compute the features (D,) float32 of one prepared image (S, S, C) uint8."""
    features = finish(compute_features(model, card, ImageSet(pixels[None], np.zeros(1, np.int64))))
    return np.asarray(features[0])


def normalise_features(features: np.ndarray) -> np.ndarray:
    """Return features (n, D) scaled to length 1, float32; those of length 0 or with NaN become 0."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    is_usable = np.isfinite(lengths) & (lengths > 0)
    return np.asarray(np.where(is_usable, features / np.where(is_usable, lengths, 1), 0), np.float32)


def _take_images(images: ImageSet, indices: np.ndarray) -> ImageSet:
    """Return the images at `indices`: a copy if they are in memory, so that the others can be freed; else a view of the file."""
    sample = images.take(indices)
    return sample if isinstance(sample.pool, np.memmap) else ImageSet(sample.images, sample.labels)


def _save(path: Path, directions: np.ndarray) -> None:
    """Cache directions (n, D) and delete those of other weights or data. Without write access nothing is cached."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob(f"{PREFIX}*.npy"):
            if old != path:
                old.unlink(missing_ok=True)
        write_atomically(path, lambda file: np.save(file, directions.astype(np.float16)))


def _read(path: Path, count: int) -> np.ndarray | None:
    """Return the cached directions (count, D) float32; None if they are missing or damaged."""
    try:
        cached = np.load(path, mmap_mode="r", allow_pickle=False)
        if cached.dtype == np.float16 and cached.ndim == 2 and len(cached) == count:
            return np.asarray(cached, np.float32)
    except Exception:  # missing or damaged in any way: it can be computed again
        return None
    return None
