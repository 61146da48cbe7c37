"""Robustness: accuracy under each corruption at each strength, cached beside the evaluation of the same model on the same images.

In: a model and images. Out: how many of them, or of a sample, are classified correctly with and without corruption. Computed again when
weights, data or corruptions change. Accuracy by corruption and strength: D. Hendrycks and T. Dietterich (2019, arXiv 1903.12261); see
`corruptions` for the differences from their benchmark.
"""

import contextlib
import hashlib
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cnn_core.data.batches import Normalise
from cnn_core.data.source import ImageSet
from cnn_core.device import choose_device
from cnn_core.events import Progress
from cnn_core.files import write_atomically
from cnn_core.home import EVALUATIONS
from cnn_core.metrics.corruptions import CORRUPTIONS, STRENGTHS, Corruption
from cnn_core.metrics.evaluation import load_evaluated_model
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.models.saving import ModelCard

BLOCK_VALUES, BLOCK_IMAGES = 2**24, 250  # limits of a block: 64 MB as float32, and images
PASSES = 1 + len(CORRUPTIONS) * STRENGTHS
SEED = 0
CORRUPTIONS_VERSION = hashlib.sha256(repr([(kind.name, kind.strengths) for kind in CORRUPTIONS]).encode()).hexdigest()[:16]
SUFFIX = "robustness.json"


class Robustness(BaseModel):
    """How many of `count` images are classified correctly: `uncorrupted`, and `corrupted[kind][level]` with CORRUPTIONS[kind] at a strength.

    `version`: of the corruptions. The file has the names of the aliases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    count: int = Field(gt=0)
    uncorrupted: int = Field(ge=0, alias="plain")
    corrupted: tuple[tuple[int, ...], ...] = Field(alias="right")
    version: str = Field(default=CORRUPTIONS_VERSION, alias="recipe")

    @model_validator(mode="after")
    def check_corruptions(self) -> "Robustness":
        """Raise ValueError for counts of other corruptions, or above the number of images."""
        counts = [self.uncorrupted, *(correct for levels in self.corrupted for correct in levels)]
        if self.version != CORRUPTIONS_VERSION or [len(levels) for levels in self.corrupted] != [STRENGTHS] * len(CORRUPTIONS):
            raise ValueError("measured with other corruptions")
        if not all(0 <= correct <= self.count for correct in counts):
            raise ValueError("more correct images than images")
        return self

    @property
    def accuracy(self) -> np.ndarray:
        """(kinds, 1 + STRENGTHS) float64, 0..1: first without corruption, then by rising strength."""
        uncorrupted = np.full((len(self.corrupted), 1), self.uncorrupted)
        return np.concatenate((uncorrupted, np.array(self.corrupted)), 1) / self.count

    @property
    def worst(self) -> int:
        """Index in CORRUPTIONS of the corruption with the lowest mean accuracy over all strengths."""
        return int(self.accuracy[:, 1:].mean(1).argmin())

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Return the 95% interval of an accuracy on this number of images."""
        return wilson_interval(round(accuracy * self.count), self.count)


def draw_indices(count: int, limit: int) -> np.ndarray:
    """Return up to `limit` random indices below `count`, (n,) int64, ascending; always the same ones."""
    return np.sort(np.random.default_rng(SEED).permutation(count)[:limit])


def measure_robustness(
    model: torch.nn.Module, card: ModelCard, images: ImageSet, device: torch.device, limit: int
) -> Generator[Progress, None, Robustness]:
    """Apply all corruptions to up to `limit` images and count the correct predictions. Yields Progress before each batch.

    model: in evaluation mode on `device`. There has to be at least one image.
    """
    chosen, normalise = draw_indices(len(images), limit), Normalise(card.mean, card.std, device)
    blocks = np.array_split(chosen, -(-len(chosen) // _block_size(images)))
    corrupted = np.zeros((len(CORRUPTIONS), STRENGTHS), np.int64)
    uncorrupted, done = 0, 0
    for number, rows in enumerate(blocks):
        block, labels = _as_batch(images[rows]), torch.from_numpy(images.labels[rows])
        uncorrupted += _count_correct(model, normalise, block, labels, device)
        for kind, corruption in enumerate(CORRUPTIONS):
            for level, strength in enumerate(corruption.strengths):
                yield Progress(f"Testing {corruption.describe(strength)}", done, PASSES * len(blocks))
                images_corrupted = corrupt(block, corruption, strength, SEED + number)
                corrupted[kind, level] += _count_correct(model, normalise, images_corrupted, labels, device)
                done += 1
        done += 1
    return Robustness(count=len(chosen), uncorrupted=uncorrupted, corrupted=tuple(map(tuple, corrupted.tolist())))


def corrupt(images: torch.Tensor, corruption: Corruption, strength: float, seed: int = SEED) -> torch.Tensor:
    """Corrupt images (N, C, H, W) uint8. The random numbers are the same at each strength: the same noise, only stronger."""
    return corruption.apply(images, strength, torch.Generator().manual_seed(seed))


def corrupt_at_all_strengths(image: np.ndarray, corruption: Corruption) -> np.ndarray:
    """Return one image (H, W, C) uint8 without corruption and at each strength: (1 + STRENGTHS, H, W, C) uint8."""
    batch = _as_batch(image[None])
    corrupted = [corrupt(batch, corruption, strength) for strength in corruption.strengths]
    return torch.cat((batch, *corrupted)).permute(0, 2, 3, 1).contiguous().numpy()


def evaluate_robustness(
    folder: Path, epoch: int | None, key: str, images: ImageSet, limit: int
) -> Generator[Progress, None, Robustness]:
    """Measure the robustness of a run's model on up to `limit` of `images`, or read it from the cache.

    `key`: of the model's evaluation on these images. Yields Progress. Raises RunError.
    """
    if cached := read_robustness(folder, key, min(limit, len(images))):
        return cached
    device = choose_device("auto")
    model, card = load_evaluated_model(folder, epoch, device)
    measured = yield from measure_robustness(model, card, images, device, limit)
    with contextlib.suppress(OSError):  # without write access it is measured again next time
        save_robustness(folder, key, measured)
    return measured


def read_robustness(folder: Path, key: str, count: int) -> Robustness | None:
    """Return the cached result for `count` images; None if it is missing, damaged, or of other corruptions."""
    try:
        cached = Robustness.model_validate_json((folder / EVALUATIONS / _file(key, count)).read_bytes())
    except (OSError, ValueError):
        return None
    return cached if cached.count == count else None


def save_robustness(folder: Path, key: str, robustness: Robustness) -> None:
    """Cache the result beside those of other sample sizes; delete those of earlier weights of the same epoch and split."""
    cache = folder / EVALUATIONS
    cache.mkdir(exist_ok=True)
    file = cache / _file(key, robustness.count)
    write_atomically(file, lambda out: out.write(robustness.model_dump_json(by_alias=True).encode()))
    for old in cache.glob(f"{key.rpartition('-')[0]}-*.{SUFFIX}"):
        if not old.name.startswith(f"{key}."):
            old.unlink(missing_ok=True)


def _file(key: str, count: int) -> str:
    return f"{key}.{count}.{SUFFIX}"


def _count_correct(
    model: torch.nn.Module, normalise: Normalise, images: torch.Tensor, labels: torch.Tensor, device: torch.device
) -> int:
    """Return the number of correct predictions for images (N, C, H, W) uint8 with labels (N,) int64, both on the CPU."""
    with torch.inference_mode():
        logits: torch.Tensor = model(normalise(images.to(device, memory_format=torch.channels_last)))
        return int((logits.argmax(1).cpu() == labels).sum())


def _as_batch(pixels: np.ndarray) -> torch.Tensor:
    """Return pixels (N, H, W, C) uint8 as (N, C, H, W)."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _block_size(images: ImageSet) -> int:
    return max(1, min(BLOCK_IMAGES, BLOCK_VALUES // int(images.pool[0].size)))
