"""The training images that a network finds most like a picture: nearest in what its last layer reads.

In: a run, then a picture's features. Out: a Bank of its training images' features, and the nearest of them by cosine. They are computed once
for a network on its data and kept in the run's `evaluations/` as float16, which is half the size and changes a cosine by less than 0.001.
"""

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.device import choose_device
from cnn_core.events import Progress
from cnn_core.explain.embedding import compute_features
from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS, Home
from cnn_core.inference.confidence import network_key
from cnn_core.metrics.evaluation import check_classes, load_part
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.models.saving import ModelCard, load_model

MOST = 10_000  # images: a query stays below 50 ms, and the features of most networks below 60 MB
PREFIX = "neighbours-"


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Training images and where their features point.

    `images`: a sample of the run's training images where there are more than MOST, as many of every class as of the others; `numbers` (n,)
    int64: their places among all `total` of them. `directions` (n, D) float32: features of length 1, or 0 where they were all 0.
    """

    images: ImageSet
    numbers: np.ndarray
    directions: np.ndarray
    total: int

    @property
    def is_sample(self) -> bool:
        return len(self.numbers) < self.total

    def nearest(self, features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows (k,) int64 of the `count` images that point most nearly where `features` (D,) do, and their cosines (k,) float32."""
        cosines = self.directions @ to_directions(features[None])[0]
        count = min(count, len(cosines))
        best = np.argpartition(-cosines, count - 1)[:count]
        order = best[np.lexsort((best, -cosines[best]))]
        return order, cosines[order]


def open_feature_bank(run: str, config: TrainConfig, home: Home) -> Generator[Progress, None, FeatureBank]:
    """The bank of run `run`'s best network; features are computed where those that are kept belong to another network or data.

    Yields Progress. Raises RunError or DataError.
    """
    folder = home.run_folder(run)
    source = open_source(config.data, home)
    check_classes(folder, source)
    path = folder / EVALUATIONS / f"{PREFIX}{feature_bank_key(folder, config, source.info.fingerprint)}.npy"
    everything = yield from load_part(source, config, "train")
    numbers = spread_over_classes(everything.labels, MOST)
    images = _hold(everything, numbers)
    kept = _read(path, len(images))
    if kept is None:
        model, card = load_model(folder, choose_device("auto"))
        features = yield from compute_features(model, card, images)
        kept = to_directions(features).astype(np.float16).astype(np.float32)  # the same answers now as from the file
        _keep(path, kept)
    return FeatureBank(images, numbers, kept, len(everything))


def feature_bank_key(folder: Path, config: TrainConfig, fingerprint: str) -> str:
    """The same for the same network with the same training images. Raises RunError where there is no network."""
    facts = (network_key(folder), (folder / CARD).read_bytes(), fingerprint, config.validation_share, config.seed, MOST)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def features_of(model: nn.Module, card: ModelCard, pixels: np.ndarray) -> np.ndarray:
    """What the network's last layer reads of one picture, uint8 (S, S, C), that is ready for it: (D,) float32."""
    return finish(compute_features(model, card, ImageSet(pixels[None], np.zeros(1, np.int64))))[0]


def to_directions(features: np.ndarray) -> np.ndarray:
    """Features (n, D) scaled to length 1, float32; those of length 0, or that are no numbers, become 0."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    is_usable = np.isfinite(lengths) & (lengths > 0)
    return np.where(is_usable, features / np.where(is_usable, lengths, 1), 0).astype(np.float32)


def _hold(everything: ImageSet, numbers: np.ndarray) -> ImageSet:
    """The images at `numbers`; of a set in memory a copy, so that the rest of it can go, and of a file the file."""
    some = everything.take(numbers)
    return some if isinstance(some.pool, np.memmap) else ImageSet(some.images, some.labels)


def _keep(path: Path, directions: np.ndarray) -> None:
    """Keep directions (n, D) in the place of those of another network or data, where anything can be written."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob(f"{PREFIX}*.npy"):
            if old != path:
                old.unlink(missing_ok=True)
        write_atomically(path, lambda file: np.save(file, directions.astype(np.float16)))


def _read(path: Path, count: int) -> np.ndarray | None:
    """Kept directions (count, D) float32; None where there are none, or they cannot be read."""
    try:
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
        if kept.dtype == np.float16 and kept.ndim == 2 and len(kept) == count:
            return kept.astype(np.float32)
    except Exception:  # missing, damaged, or no such file at all: it can be computed anew
        return None
    return None
