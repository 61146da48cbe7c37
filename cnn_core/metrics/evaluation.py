"""A network on the images of one part: computed once, kept in the run's `evaluations/`, computed anew when weights or data change.

In: a run, its best network or that of a kept epoch, and which images. Out: an Evaluation, on which everything else here is built.
"""

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.open import open_source
from cnn_core.data.source import DataSource, ImageSet, Loading, Part
from cnn_core.data.splits import stratified_split
from cnn_core.device import choose_device
from cnn_core.errors import RunError
from cnn_core.events import Progress
from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS, WEIGHTS, Home, epoch_file
from cnn_core.inference.logits import compute_logits
from cnn_core.metrics.classification import ClassMetrics, class_metrics, confusion_matrix
from cnn_core.metrics.scores import Scores, score
from cnn_core.models.checkpoint import load_epoch, measured_weights
from cnn_core.models.saving import ModelCard, build_saved, load_model, read_card

BATCH = 500
PART_NAMES: dict[Part, str] = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Logits (N, classes) float32 of the images in their order, which may be a memory-mapped file, with true labels (N,) int64.

    `temperature`: by which logits are divided before they become probabilities (see `analysis.calibration`). `key`: the same for the same
    network on the same images, and for nothing else.
    """

    classes: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray
    temperature: float = 1.0
    key: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def with_temperature(self, temperature: float) -> "Evaluation":
        """The same with another temperature: other probabilities, the same classes."""
        return replace(self, temperature=temperature)

    @cached_property
    def scores(self) -> Scores:
        return score(self.logits, self.labels, self.temperature)

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of every image, (N,) int64."""
        return self.scores.predicted

    @cached_property
    def is_right(self) -> np.ndarray:
        return self.predicted == self.labels

    def probabilities(self, indices: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Of every class for the images at `indices`, (n, classes) float64. All of them at once take 8 bytes each."""
        scaled = self.logits[indices].astype(np.float64) / self.temperature
        return np.exp(scaled - self.scores.log_sum[indices, None])

    def class_probability(self, label: int) -> np.ndarray:
        """Of class `label` for every image, (N,) float64."""
        return np.exp(self.logits[:, label].astype(np.float64) / self.temperature - self.scores.log_sum)

    def select(
        self,
        *,
        true_class: int | None = None,
        predicted: int | None = None,
        is_right: bool | None = None,
        confidence: tuple[float, float] = (0.0, 1.0),
    ) -> np.ndarray:
        """Indices (int64, ascending) of the images of one true class (or all) that were classified as `predicted` (or anything), right, wrong,
        or either (None), with a probability of the answer in the closed range `confidence`."""
        keep = np.ones(len(self.labels), bool)
        if true_class is not None:
            keep &= self.labels == true_class
        if predicted is not None:
            keep &= self.predicted == predicted
        if confidence[0] > 0:
            keep &= self.scores.confidence >= confidence[0]
        if confidence[1] < 1:  # one that is rounded to a little more than 1 belongs to the end of the range
            keep &= self.scores.confidence <= confidence[1]
        if is_right is not None:
            keep &= self.is_right == is_right
        return np.flatnonzero(keep)

    @property
    def accuracy(self) -> float:
        return float(self.is_right.mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy per image (nats)."""
        return float(self.scores.loss.mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @property
    def per_class(self) -> ClassMetrics:
        return class_metrics(self.confusion)


def evaluate(
    model: torch.nn.Module, card: ModelCard, images: ImageSet, device: torch.device, part: Part = "test"
) -> Generator[Progress, None, Evaluation]:
    """The model's logits for `images`, yielding Progress."""
    batches = Batches(images, batch_size=BATCH, device=device, mean=card.mean, std=card.std)
    logits = yield from compute_logits(model, batches, f"Evaluating {PART_NAMES[part]} images")
    return Evaluation(card.classes, logits.cpu().numpy(), images.labels)


def evaluate_run(
    run: str, config: TrainConfig, home: Home, *, part: Part = "test", epoch: int | None = None
) -> Generator[Progress, None, Evaluation]:
    """Run `run` on one part of its images, by its best network or that after a kept `epoch`; from `evaluations/` where that is still true.

    Raises RunError or DataError.
    """
    folder = home.run_folder(run)
    source = open_source(config.data, home)
    check_classes(folder, source)
    key = evaluation_key(folder, config, source.info.fingerprint, part, epoch)
    kept = read_evaluation(folder, key)
    if kept:
        return kept
    device = choose_device("auto")
    model, card = open_network(folder, epoch, device)
    images = yield from load_part(source, config, part)
    evaluation = yield from evaluate(model, card, images, device, part)
    save_evaluation(folder, key, evaluation)
    return replace(evaluation, key=key)


def check_classes(folder: Path, source: DataSource) -> None:
    """Raises RunError when the data no longer has the classes that the network in `folder` was trained on."""
    if source.info.classes != read_card(folder).classes:
        raise RunError(
            f"Data set “{source.info.name}” no longer has the classes that run {folder.name} was trained on. Restore it, or choose another run."
        )


def open_network(folder: Path, epoch: int | None, device: torch.device) -> tuple[torch.nn.Module, ModelCard]:
    """The best network of the run in `folder`, or the one after a kept `epoch`, in evaluation mode. Raises RunError."""
    if epoch is None:
        return load_model(folder, device)
    card, state = read_card(folder), load_epoch(folder, epoch)
    return build_saved(folder, card, measured_weights(state["trainer"]), device), card


def load_part(source: DataSource, config: TrainConfig, part: Part) -> Loading:
    """The images of `part` as a run with `config` used them, without augmentation. Raises DataError."""
    if part == "test" or source.info.val_count:
        return (yield from source.load(part))
    images = yield from source.load("train")
    rest, kept = stratified_split(images.labels, config.validation_share, config.seed)
    return images.take(kept if part == "val" else rest)


def evaluation_key(folder: Path, config: TrainConfig, fingerprint: str, part: Part, epoch: int | None) -> str:
    """A name for a network, as its file lies there now, on images. Raises RunError where there is no such network."""
    try:
        state = (folder / WEIGHTS if epoch is None else epoch_file(folder, epoch)).stat()
    except OSError:
        raise RunError(
            f"Run {folder.name} has no model yet. Let it train for at least one epoch, or choose another run."
            if epoch is None
            else f"The state of run {folder.name} after epoch {epoch} was not kept. Choose another epoch."
        ) from None
    split = (config.validation_share, config.seed) if part != "test" else ()
    facts = (state.st_size, state.st_mtime_ns, (folder / CARD).read_bytes(), fingerprint, split)
    return f"{_prefix(part, epoch)}{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def save_evaluation(folder: Path, key: str, evaluation: Evaluation) -> None:
    """Keep an evaluation under `key`, in the place of the one of the same network and part that there may be. Where nothing can be
    written it is not kept, and computed again the next time."""
    place = folder / EVALUATIONS
    prefix = key.rpartition("-")[0]
    with contextlib.suppress(OSError):
        place.mkdir(exist_ok=True)
        for old in place.glob(f"{prefix}-*.npy"):
            if not old.name.startswith(key):
                old.unlink(missing_ok=True)
        write_atomically(place / f"{key}.labels.npy", lambda file: np.save(file, evaluation.labels))
        write_atomically(place / f"{key}.npy", lambda file: np.save(file, evaluation.logits))  # the last: where it is, all is


def read_evaluation(folder: Path, key: str) -> Evaluation | None:
    """The kept evaluation called `key`, or None when there is none or it cannot be read."""
    place = folder / EVALUATIONS
    try:
        classes = read_card(folder).classes
        logits = np.load(place / f"{key}.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(place / f"{key}.labels.npy", allow_pickle=False)
        is_whole = logits.dtype == np.float32 and labels.dtype == np.int64 and logits.shape == (*labels.shape, len(classes))
        if is_whole and labels.min() >= 0 and labels.max() < len(classes):
            return Evaluation(classes, logits, labels, key=key)
    except Exception:  # missing, damaged, or no such file at all: it can be computed anew
        return None
    return None


def _prefix(part: Part, epoch: int | None) -> str:
    return f"{'best' if epoch is None else f'{epoch:04d}'}-{part}-"
