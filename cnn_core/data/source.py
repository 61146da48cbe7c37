"""The interface of a data source: facts at once, images when they are needed, and loading as a generator that yields progress.

`images = yield from source.load("train")` loads a split and yields its progress, so the caller can stop the loading between
any two reports, as with training. `finish(source.load("train"))` loads it without progress.
"""

import mmap
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, cast

import numpy as np

from cnn_core.data.decoder import Fit, Interpolation
from cnn_core.events import Progress

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}
LARGEST_MAP = 2**29  # bytes; pages of a larger memory-mapped file are released after reading
Ink = Literal["", "uci", "mnist"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class DataInfo:
    """The facts of a data set that are available before any image is read.

    `image_size`: side of the square images, pixels. `channels`: 1 grey or 3 colour. `ink`: the images are digits, bright strokes on black,
    centred and scaled like the UCI or the MNIST digits; drawings are prepared the same way. `fit`: how other images become this size (see
    `to_pixels`). `val_count`: validation images of the data set itself; where it is 0, a fraction of the training images is used.
    `class_counts`: training images of each class; empty where they are not known yet. `kept_side`: photographs are kept with up to this long
    side, pixels, so that a run chooses `image_size`, `fit`, `interpolation` and `crop_share` (see `image_shape`); 0 where the squares alone are stored.
    `interpolation`, `crop_share`: how other images are resized and cropped (see `to_pixels`). `stored_side`: the side of
    stored squares of which those of `image_size` are made; 0 where they are of that size. Two runs with the same `fingerprint` used the same images.
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
    class_counts: tuple[int, ...] = field(default=(), compare=False)
    kept_side: int = 0
    interpolation: Interpolation = "bicubic"
    crop_share: float = 1.0
    stored_side: int = 0

    @property
    def shape(self) -> dict[str, int]:
        """Return the shape arguments of a model, by the argument names of the model registry."""
        return {"channels": self.channels, "image_size": self.image_size, "classes": len(self.classes)}


@dataclass(frozen=True)
class ImageSet:
    """Images with labels (N,) int64, and notes for the user, one sentence each.

    The images are rows (N,) int64 of a pool (M, H, W, C) uint8, which may be a memory-mapped file that other splits share; without
    `rows` they are the whole pool. `image_set[indices]` reads a few of them.
    """

    pool: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = field(default=())
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: int | slice | np.ndarray) -> np.ndarray:
        """Return the pixels of the images at `indices`: (H, W, C) for one, (n, H, W, C) for several."""
        return read_rows(self.pool, indices if self.rows is None else self.rows[indices])

    @property
    def images(self) -> np.ndarray:
        """All pixels (N, H, W, C): in memory, where the pool is larger than the set."""
        return self.pool if self.rows is None else self[:]

    def pool_rows(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows of the pool (n,) int64 that hold the images at `indices` (n,) int64."""
        return indices if self.rows is None else cast(np.ndarray, self.rows[indices])

    def take(self, indices: np.ndarray) -> "ImageSet":
        """Return the images at `indices` alone, from the same pool."""
        return ImageSet(self.pool, self.labels[indices], rows=self.pool_rows(indices))


def is_large(pool: np.ndarray) -> bool:
    """Whether a pool is a file too large to be held in memory as a whole."""
    return isinstance(pool, np.memmap) and pool.nbytes > LARGEST_MAP


def read_rows(pool: np.ndarray, rows: int | slice | np.ndarray) -> np.ndarray:
    """Copy some images of a pool. Of a large file, only the copied images stay in this process's memory."""
    pixels = np.array(pool[rows])
    release(pool)
    return pixels


def release(pool: np.ndarray) -> None:
    """Release the memory pages that were read from a large file."""
    if is_large(pool) and hasattr(mmap, "MADV_DONTNEED"):
        mapped: mmap.mmap = pool._mmap  # type: ignore[attr-defined]  # numpy offers no public way to its map
        mapped.madvise(mmap.MADV_DONTNEED)


Loading = Generator[Progress, None, ImageSet]


class DataSource(Protocol):
    """A data set: its facts, and its images split by split."""

    @property
    def info(self) -> DataInfo:
        """The facts of the data set."""
        ...

    def load(self, split: Split) -> Loading:
        """Read one split, yielding Progress; the generator's return value is the ImageSet. Raises DataError.

        "val" is empty where the data set has no validation images of its own.
        """
        ...


def finish(steps: Generator[object, None, Result]) -> Result:
    """Run a generator to its end and return its value, for callers that do not show the progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(Result, end.value)
