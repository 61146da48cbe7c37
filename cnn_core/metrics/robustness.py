"""What a network still gets right when its pictures are spoilt, kept beside the evaluation of the same network on the same images.

In: a network and images. Out: how many of them, or of a sample, are classified right under every corruption at every strength, and as they
are. Measured once; computed anew when weights, data or corruptions change. The idea of accuracy by corruption and strength is that of
D. Hendrycks and T. Dietterich (2019, arXiv 1903.12261); see `analysis.corruptions` for what differs from their benchmark.
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
from cnn_core.metrics.corruptions import CORRUPTIONS, LEVELS, Corruption
from cnn_core.metrics.evaluation import open_network
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.models.saving import ModelCard

BLOCK_VALUES, BLOCK_IMAGES = 2**24, 250  # at a time: 64 MB as float32, or so many images
PASSES = 1 + len(CORRUPTIONS) * LEVELS
SEED = 0
RECIPE = hashlib.sha256(repr([(kind.name, kind.strengths) for kind in CORRUPTIONS]).encode()).hexdigest()[:16]
SUFFIX = "robustness.json"


class Robustness(BaseModel):
    """Of `count` images, how many were classified right: `plain` as they are, right[kind][level] with CORRUPTIONS[kind] at its strength of
    that level. `recipe`: of the corruptions it was measured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(gt=0)
    plain: int = Field(ge=0)
    right: tuple[tuple[int, ...], ...]
    recipe: str = RECIPE

    @model_validator(mode="after")
    def is_of_these_corruptions(self) -> "Robustness":
        counts = [self.plain, *(hits for levels in self.right for hits in levels)]
        if self.recipe != RECIPE or [len(levels) for levels in self.right] != [LEVELS] * len(CORRUPTIONS):
            raise ValueError("measured with other corruptions")
        if not all(0 <= hits <= self.count for hits in counts):
            raise ValueError("more images right than there are")
        return self

    @property
    def accuracy(self) -> np.ndarray:
        """(kinds, 1 + LEVELS) float64, 0..1: in front the plain accuracy, then by rising strength."""
        plain = np.full((len(self.right), 1), self.plain)
        return np.concatenate((plain, np.array(self.right)), 1) / self.count

    @property
    def worst(self) -> int:
        """The kind, as its place in CORRUPTIONS, whose mean accuracy over all strengths is the lowest."""
        return int(self.accuracy[:, 1:].mean(1).argmin())

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Between which shares an accuracy on so many images lies, with 95 % confidence."""
        return wilson_interval(round(accuracy * self.count), self.count)


def draw_sample(count: int, most: int) -> np.ndarray:
    """Indices (n,) int64, ascending, of `most` of `count` images, or of all; the same ones every time."""
    return np.sort(np.random.default_rng(SEED).permutation(count)[:most])


def measure_robustness(
    model: torch.nn.Module, card: ModelCard, images: ImageSet, device: torch.device, most: int
) -> Generator[Progress, None, Robustness]:
    """Spoil `most` of the images in every way and count what the model, in evaluation mode on `device`, gets right; yields Progress before
    every batch. There has to be at least one image."""
    chosen, normalise = draw_sample(len(images), most), Normalise(card.mean, card.std, device)
    blocks = np.array_split(chosen, -(-len(chosen) // _block_size(images)))
    right = np.zeros((len(CORRUPTIONS), LEVELS), np.int64)
    plain, done = 0, 0
    for number, rows in enumerate(blocks):
        block, labels = _as_batch(images[rows]), torch.from_numpy(images.labels[rows])
        plain += _count_right(model, normalise, block, labels, device)
        for kind, corruption in enumerate(CORRUPTIONS):
            for level, strength in enumerate(corruption.strengths):
                yield Progress(f"Trying {corruption.in_words(strength)}", done, PASSES * len(blocks))
                spoilt = corrupt(block, corruption, strength, SEED + number)
                right[kind, level] += _count_right(model, normalise, spoilt, labels, device)
                done += 1
        done += 1
    return Robustness(count=len(chosen), plain=plain, right=tuple(map(tuple, right.tolist())))


def corrupt(images: torch.Tensor, corruption: Corruption, strength: float, seed: int = SEED) -> torch.Tensor:
    """images (N, C, H, W) uint8. What is drawn is the same at every strength: the same noise, only stronger."""
    return corruption.spoil(images, strength, torch.Generator().manual_seed(seed))


def at_all_strengths(image: np.ndarray, corruption: Corruption) -> np.ndarray:
    """One image (H, W, C) uint8 as it is, and at every strength from the mildest: (1 + LEVELS, H, W, C) uint8."""
    batch = _as_batch(image[None])
    spoilt = [corrupt(batch, corruption, strength) for strength in corruption.strengths]
    return torch.cat((batch, *spoilt)).permute(0, 2, 3, 1).contiguous().numpy()


def robustness_of(
    folder: Path, epoch: int | None, key: str, images: ImageSet, most: int
) -> Generator[Progress, None, Robustness]:
    """Of the network of the run in `folder` whose evaluation on `images` has this `key`: kept, or measured on `most` of them and kept.

    Raises RunError.
    """
    kept = read_robustness(folder, key, min(most, len(images)))
    if kept:
        return kept
    device = choose_device("auto")
    model, card = open_network(folder, epoch, device)
    measured = yield from measure_robustness(model, card, images, device, most)
    with contextlib.suppress(OSError):  # then it is measured again another time
        save_robustness(folder, key, measured)
    return measured


def read_robustness(folder: Path, key: str, count: int) -> Robustness | None:
    """What is kept under `key` of a sample of `count` images; None without it, where it is damaged, and where corruptions have changed."""
    try:
        found = Robustness.model_validate_json((folder / EVALUATIONS / _file(key, count)).read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.count == count else None


def save_robustness(folder: Path, key: str, robustness: Robustness) -> None:
    """Keep it beside those of other samples, in the place of all that was measured of the same epoch and part before."""
    place = folder / EVALUATIONS
    place.mkdir(exist_ok=True)
    file = place / _file(key, robustness.count)
    write_atomically(file, lambda out: out.write(robustness.model_dump_json().encode()))
    for old in place.glob(f"{key.rpartition('-')[0]}-*.{SUFFIX}"):
        if not old.name.startswith(f"{key}."):
            old.unlink(missing_ok=True)


def _file(key: str, count: int) -> str:
    return f"{key}.{count}.{SUFFIX}"


@torch.inference_mode()
def _count_right(
    model: torch.nn.Module, normalise: Normalise, images: torch.Tensor, labels: torch.Tensor, device: torch.device
) -> int:
    """images (N, C, H, W) uint8 and labels (N,) int64 on the CPU."""
    return int((model(normalise(images.to(device, memory_format=torch.channels_last))).argmax(1).cpu() == labels).sum())


def _as_batch(pixels: np.ndarray) -> torch.Tensor:
    """(N, H, W, C) to (N, C, H, W), uint8."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _block_size(images: ImageSet) -> int:
    return max(1, min(BLOCK_IMAGES, BLOCK_VALUES // images.pool[0].size))
