"""What a data source is: facts at once, images when asked, and loading as a generator that reports progress.

`images = yield from source.load("train")` loads a part and passes its progress on, so whoever drives the loading can stop it
between any two reports, exactly as with training. `finish(source.load("train"))` loads it without watching.
"""

import mmap
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np

from cnn_core.data.decoder import Fit
from cnn_core.events import Progress

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}
LARGEST_MAP = 2**29  # bytes of a file that is read through memory as a whole
Ink = Literal["", "uci", "mnist"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set before any image is read.

    `image_size`: side of the square images, pixels. `channels`: 1 grey or 3 colour. `ink`: the images are digits, bright strokes on black,
    centred and scaled as the UCI or the MNIST digits were, so that a drawing is too. `fit`: how other images are made that size (see `to_pixels`). `val_count`: images
    that the set itself keeps for validation; 0, and a share of the training images is. `fingerprint`: two runs with the same one used the
    same images.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    train_count: int
    test_count: int
    fingerprint: str
    ink: Ink = ""
    fit: Fit = "crop"
    val_count: int = 0

    @property
    def shape(self) -> dict[str, int]:
        """What a network must know of the images, by the names that the registry and the costs take."""
        return {"channels": self.channels, "image_size": self.image_size, "classes": len(self.classes)}


@dataclass(frozen=True)
class ImageSet:
    """Images with labels (N,) int64, and one sentence for each thing worth telling about them.

    The images are rows (N,) int64 of a pool (M, H, W, C) uint8, which may be a memory-mapped file that other parts share; without
    `rows` they are the whole pool. `some[indices]` reads a few of them.
    """

    pool: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = field(default=())
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: int | slice | np.ndarray) -> np.ndarray:
        """Pixels of the images at `indices`: (H, W, C) of one, (n, H, W, C) of several."""
        return read_rows(self.pool, indices if self.rows is None else self.rows[indices])

    @property
    def images(self) -> np.ndarray:
        """All pixels (N, H, W, C): in memory, where the pool is larger than the set."""
        return self.pool if self.rows is None else self[:]

    def take(self, indices: np.ndarray) -> "ImageSet":
        """The images at `indices` alone, from the same pool."""
        return ImageSet(self.pool, self.labels[indices], rows=indices if self.rows is None else self.rows[indices])


def is_large(pool: np.ndarray) -> bool:
    """Whether a pool is a file that is not to be held in memory as a whole."""
    return isinstance(pool, np.memmap) and pool.nbytes > LARGEST_MAP


def read_rows(pool: np.ndarray, rows: int | slice | np.ndarray) -> np.ndarray:
    """Some images of a pool, copied; of a large file the memory stays small, though the system's cache keeps what it read."""
    pixels = np.array(pool[rows])
    release(pool)
    return pixels


def release(pool: np.ndarray) -> None:
    """Let go of what was read of a large file through memory; to be called when nothing looks at its pages."""
    if is_large(pool) and hasattr(mmap, "MADV_DONTNEED"):
        pool._mmap.madvise(mmap.MADV_DONTNEED)


Loading = Generator[Progress, None, ImageSet]


class DataSource(Protocol):
    """A data set: its facts, and its images part by part."""

    info: DataInfo

    def load(self, split: Split) -> Loading:
        """Read one part, yielding Progress; the generator's return value is the ImageSet. Raises DataError.

        "val" is empty where the set has no validation images of its own.
        """
        ...


def finish(steps: Generator[object, None, Result]) -> Result:
    """Run a generator to its end and return its value, for callers who do not watch the progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
