"""A run's best model on its test images: computed once, kept in `predictions.npz`, computed anew when weights or data change."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from cnn_core.analysis.metrics import ClassMetrics, class_metrics, confusion_matrix
from cnn_core.config import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.catalog import open_source
from cnn_core.data.source import ImageSet
from cnn_core.device import choose_device
from cnn_core.errors import RunError
from cnn_core.events import Progress
from cnn_core.files import write_atomically
from cnn_core.home import PREDICTIONS, WEIGHTS, Home
from cnn_core.inference.logits import compute_logits
from cnn_core.models.saved import ModelCard, load_model

BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """Probabilities (N, classes) float32 for the test images in their order, with true labels (N,) int64."""

    classes: tuple[str, ...]
    probabilities: np.ndarray
    labels: np.ndarray

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of every image, (N,) int64."""
        return self.probabilities.argmax(1)

    @cached_property
    def is_right(self) -> np.ndarray:
        return self.predicted == self.labels

    def select(self, *, true_class: int | None = None, is_right: bool | None = None) -> np.ndarray:
        """Indices (int64, ascending) of the images of one true class (or all) that were classified right, wrong, or either (None)."""
        keep = np.ones(len(self.labels), bool)
        if true_class is not None:
            keep &= self.labels == true_class
        if is_right is not None:
            keep &= self.is_right == is_right
        return np.flatnonzero(keep)

    @property
    def accuracy(self) -> float:
        return float(self.is_right.mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy per image (nats)."""
        chosen = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        return float(-np.log(np.maximum(chosen, 1e-38)).mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @property
    def per_class(self) -> ClassMetrics:
        return class_metrics(self.confusion)


def evaluate(
    model: torch.nn.Module, card: ModelCard, images: ImageSet, device: torch.device
) -> Generator[Progress, None, Evaluation]:
    """The model's probabilities for `images`, yielding Progress."""
    batches = Batches(images, batch_size=BATCH, device=device, mean=card.mean, std=card.std)
    logits = yield from compute_logits(model, batches, "Evaluating test images")
    return Evaluation(card.classes, logits.softmax(1).cpu().numpy(), images.labels)


def evaluate_run(run: str, config: TrainConfig, home: Home) -> Generator[Progress, None, Evaluation]:
    """Run `run` on its test images, from `predictions.npz` where that is still true. Raises RunError or DataError."""
    folder = home.run_folder(run)
    device = choose_device("auto")
    model, card = load_model(folder, device)
    source = open_source(config.data, home)
    if source.info.classes != card.classes:
        raise RunError(
            f"Data set “{config.data}” no longer has the classes that run {run} was trained on. Restore it, or choose another run."
        )
    kept = read_predictions(folder, card, source.info.fingerprint)
    if kept:
        return kept
    images = yield from source.load("test")
    evaluation = yield from evaluate(model, card, images, device)
    save_predictions(folder, evaluation, source.info.fingerprint)
    return evaluation


def save_predictions(folder: Path, evaluation: Evaluation, fingerprint: str) -> None:
    key = np.array(_key(folder, fingerprint))
    write_atomically(
        folder / PREDICTIONS,
        lambda file: np.savez(file, key=key, probabilities=evaluation.probabilities, labels=evaluation.labels),
    )


def read_predictions(folder: Path, card: ModelCard, fingerprint: str) -> Evaluation | None:
    """The kept predictions, or None when there are none, they cannot be read, or they belong to other weights or data."""
    try:
        with np.load(folder / PREDICTIONS, allow_pickle=False) as kept:
            if str(kept["key"]) == _key(folder, fingerprint):
                return Evaluation(card.classes, kept["probabilities"], kept["labels"])
    except Exception:  # missing, damaged, or no such file at all: it can be computed anew
        return None
    return None


def _key(folder: Path, fingerprint: str) -> str:
    return f"{hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()} {fingerprint}"
