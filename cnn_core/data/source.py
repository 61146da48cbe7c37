"""What a data source is: facts at once, images when asked, and loading as a generator that reports progress.

`images = yield from source.load("train")` loads a part and passes its progress on, so whoever drives the loading can stop it
between any two reports, exactly as with training. `finish(source.load("train"))` loads it without watching.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np

from cnn_core.events import Progress

Part = Literal["train", "test"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set before any image is read.

    `image_size`: side of the square images, pixels. `channels`: 1 grey or 3 colour. `ink`: images are bright strokes on black,
    so that a drawing is centred and scaled like them. `fingerprint`: two runs with the same one used the same images.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    train_count: int
    test_count: int
    fingerprint: str
    ink: bool = False

    @property
    def shape(self) -> dict[str, int]:
        """What a network must know of the images, by the names that the registry and the costs take."""
        return {"channels": self.channels, "image_size": self.image_size, "classes": len(self.classes)}


@dataclass(frozen=True)
class ImageSet:
    """Images (N, H, W, C) uint8 with labels (N,) int64, and one sentence for each file that was left out."""

    images: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.labels)


Loading = Generator[Progress, None, ImageSet]


class DataSource(Protocol):
    """A data set: its facts, and its images part by part."""

    info: DataInfo

    def load(self, part: Part) -> Loading:
        """Read one part, yielding Progress; the generator's return value is the ImageSet. Raises DataError."""
        ...


def finish(steps: Generator[object, None, Result]) -> Result:
    """Run a generator to its end and return its value, for callers who do not watch the progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
