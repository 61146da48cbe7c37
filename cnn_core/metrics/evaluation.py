"""Evaluate a model on one split. The logits are cached in the run's `evaluations/` and computed again when weights or data change.

In: a run, its best model or that of a saved epoch, and a split. Out: an Evaluation, on which the other metrics are built.
"""

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.source import DataSource, ImageSet, Loading, Split
from cnn_core.data.splits import split_training_images
from cnn_core.device import choose_device
from cnn_core.errors import NoModelError, RunError
from cnn_core.events import Progress
from cnn_core.features.kept_layers import read_for_model
from cnn_core.features.store import FeatureStore, open_feature_store
from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS, WEIGHTS, Home, epoch_file
from cnn_core.inference.logits import compute_logits
from cnn_core.metrics.classification import ClassMetrics, class_metrics, confusion_matrix
from cnn_core.metrics.scores import Scores, compute_scores
from cnn_core.models.checkpoint import load_epoch, validated_weights
from cnn_core.models.saving import ModelCard, build_from_state, load_model, read_card

BATCH = 500
SPLIT_NAMES: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}
OTHER_CLASSES = "Data set “{data}” no longer has the classes that run {run} was trained on. Restore it, or choose another run."


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Logits (N, classes) float32 of the images in their order, perhaps memory-mapped, with true labels (N,) int64.

    Logits are divided by `temperature` before the softmax (see `calibration`). `key` identifies the model and the images.
    """

    classes: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray
    temperature: float = 1.0
    key: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def with_temperature(self, temperature: float) -> "Evaluation":
        """Return the same evaluation with another temperature: other probabilities, the same predicted classes."""
        return replace(self, temperature=temperature)

    @cached_property
    def scores(self) -> Scores:
        """Predicted class, confidence, loss and rank of each image."""
        return compute_scores(self.logits, self.labels, self.temperature)

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, (N,) int64."""
        return self.scores.predicted

    @cached_property
    def is_correct(self) -> np.ndarray:
        """Whether the predicted class is the true one, (N,) bool."""
        return np.asarray(self.predicted == self.labels)

    def probabilities(self, indices: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the probability of each class for the images at `indices`, (n, classes) float64: 8 bytes each."""
        scaled = self.logits[indices].astype(np.float64) / self.temperature
        return np.asarray(np.exp(scaled - self.scores.log_sum[indices, None]))

    def class_probability(self, label: int) -> np.ndarray:
        """Return the probability of class `label` for each image, (N,) float64."""
        return np.asarray(np.exp(self.logits[:, label].astype(np.float64) / self.temperature - self.scores.log_sum))

    def select(
        self,
        *,
        true_class: int | None = None,
        predicted: int | None = None,
        is_correct: bool | None = None,
        confidence: tuple[float, float] = (0.0, 1.0),
    ) -> np.ndarray:
        """Return the indices (int64, ascending) of images with this true class, predicted class and correctness (None: any), and with a
        confidence in the closed range `confidence`."""
        keep = np.ones(len(self.labels), bool)
        if true_class is not None:
            keep &= self.labels == true_class
        if predicted is not None:
            keep &= self.predicted == predicted
        if confidence[0] > 0:
            keep &= self.scores.confidence >= confidence[0]
        if confidence[1] < 1:  # a confidence of 1 may be rounded to slightly more
            keep &= self.scores.confidence <= confidence[1]
        if is_correct is not None:
            keep &= self.is_correct == is_correct
        return np.flatnonzero(keep)

    @property
    def accuracy(self) -> float:
        """Fraction of the images that are classified correctly."""
        return float(self.is_correct.mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy per image (nats)."""
        return float(self.scores.loss.mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts (classes, classes) int64: row = true class, column = predicted class."""
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @property
    def per_class(self) -> ClassMetrics:
        """Precision, recall and F1 of each class."""
        return class_metrics(self.confusion)


def evaluate(
    model: torch.nn.Module,
    card: ModelCard,
    images: ImageSet,
    device: torch.device,
    split: Split = "test",
    store: FeatureStore | None = None,
) -> Generator[Progress, None, Evaluation]:
    """Compute the model's logits for `images`. Yields Progress.

    store: where features of the images may be kept (see `read_for_model`).
    """
    reading = yield from read_for_model(model, card, images, device, store, batch_size=BATCH)
    logits = yield from compute_logits(reading.module, reading.batches, f"Evaluating {SPLIT_NAMES[split]} images")
    return Evaluation(card.classes, logits.cpu().numpy(), images.labels)


def evaluate_run(
    run: str, config: TrainConfig, home: Home, *, split: Split = "test", epoch: int | None = None
) -> Generator[Progress, None, Evaluation]:
    """Evaluate the best model of `run`, or that of a saved `epoch`, on one split; read from the cache if that is still valid.

    Yields Progress. Raises RunError or DataError.
    """
    folder = home.run_folder(run)
    source = open_images(config, home)
    if isinstance(source, OnDemandSource):
        yield from source.check_changes()
    check_classes(folder, source)
    key = evaluation_key(folder, config, source.info.fingerprint, split, epoch)
    if cached := read_evaluation(folder, key):
        return cached
    device = choose_device("auto")
    model, card = load_evaluated_model(folder, epoch, device)
    images = yield from load_split(source, config, split)
    evaluation = yield from evaluate(model, card, images, device, split, open_feature_store(source))
    save_evaluation(folder, key, evaluation)
    return replace(evaluation, key=key)


def check_classes(folder: Path, source: DataSource) -> None:
    """Raise RunError if the data no longer has the classes that the model in `folder` was trained on."""
    if source.info.classes != read_card(folder).classes:
        raise RunError(OTHER_CLASSES.format(data=source.info.name, run=folder.name))


def load_evaluated_model(folder: Path, epoch: int | None, device: torch.device) -> tuple[torch.nn.Module, ModelCard]:
    """Load the best model of the run in `folder`, or that of a saved `epoch`, in evaluation mode. Raises RunError."""
    if epoch is None:
        return load_model(folder, device)
    card, state = read_card(folder), load_epoch(folder, epoch)
    return build_from_state(folder, card, validated_weights(state["trainer"]), device), card


def load_split(source: DataSource, config: TrainConfig, split: Split) -> Loading:
    """Load the images of `split` as a run with `config` used them, without augmentation. Raises DataError."""
    has_validation = bool(source.info.val_count)
    if split == "test" or (has_validation and (split == "val" or not config.images_per_class)):
        return (yield from source.load(split))
    images = yield from source.load("train")
    train, val = split_training_images(images.labels, *config.drawn_by, has_validation=has_validation)
    return images.take(val if split == "val" else train)


def evaluation_key(folder: Path, config: TrainConfig, fingerprint: str, split: Split, epoch: int | None) -> str:
    """Return the cache key of a model file, as it is now, on a split. Raises RunError if there is no such model."""
    try:
        state = (folder / WEIGHTS if epoch is None else epoch_file(folder, epoch)).stat()
    except OSError:
        raise (
            NoModelError(folder.name)
            if epoch is None
            else RunError(f"Epoch {epoch} of run {folder.name} was not saved. Choose another epoch.")
        ) from None
    split_settings = config.drawn_by if split != "test" else ()
    facts = (state.st_size, state.st_mtime_ns, (folder / CARD).read_bytes(), fingerprint, split_settings)
    return f"{_prefix(split, epoch)}{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def save_evaluation(folder: Path, key: str, evaluation: Evaluation) -> None:
    """Cache an evaluation under `key` and delete the earlier one of the same epoch and split. Without write access nothing is cached."""
    cache = folder / EVALUATIONS
    prefix = key.rpartition("-")[0]
    with contextlib.suppress(OSError):
        cache.mkdir(exist_ok=True)
        for old in cache.glob(f"{prefix}-*.npy"):
            if not old.name.startswith(key):
                old.unlink(missing_ok=True)
        write_atomically(cache / f"{key}.labels.npy", lambda file: np.save(file, evaluation.labels))
        write_atomically(
            cache / f"{key}.npy", lambda file: np.save(file, evaluation.logits)
        )  # written last: if it exists, so do the labels


def read_evaluation(folder: Path, key: str) -> Evaluation | None:
    """Return the cached evaluation with `key`, or None if it is missing or damaged."""
    cache = folder / EVALUATIONS
    try:
        classes = read_card(folder).classes
        logits = np.load(cache / f"{key}.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(cache / f"{key}.labels.npy", allow_pickle=False)
        is_whole = logits.dtype == np.float32 and labels.dtype == np.int64 and logits.shape == (*labels.shape, len(classes))
        if is_whole and labels.min() >= 0 and labels.max() < len(classes):
            return Evaluation(classes, logits, labels, key=key)
    except Exception:  # missing or damaged in any way: it can be computed again
        return None
    return None


def _prefix(split: Split, epoch: int | None) -> str:
    return f"{'best' if epoch is None else f'{epoch:04d}'}-{split}-"
