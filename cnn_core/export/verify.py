"""An exported file is only offered when, loaded back, it answers as the app does. In: two answers to the same images. Out: how far apart.

The app's answer is the Classifier's, on the CPU in float32, whatever the network was trained in; so is the file's.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, Part
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.apart import chunks
from cnn_core.inference.classifier import Classifier
from cnn_core.metrics.evaluation import SPLIT_NAMES, check_classes, load_split
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

MOST_IMAGES = 1_000
TIE = 1e-6  # two classes whose probabilities differ by less are equally probable: rounding decides between them
NEAR = 1e-4  # how far a probability may be from the app's


@dataclass(frozen=True)
class Asked:
    """Images (N, S, S, C) uint8 with true labels (N,), of one part of a run's images, and what the app says of them, (N, classes) float32."""

    part: Part
    images: np.ndarray
    labels: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True)
class Checked:
    """How a file's answers compare with the app's: on how many `images` of a part, of which `ties` are between equally probable classes, and
    the `largest` difference between two probabilities."""

    part: Part
    images: int
    ties: int
    largest: float

    def __str__(self) -> str:
        tied = f" (two classes tie in {self.ties:,})" if self.ties else ""
        far = f"within {self.largest:.0e}" if self.largest else "the same to the last digit"
        return f"Checked on {self.images:,} {SPLIT_NAMES[self.part]} images: same class in all{tied}, probabilities {far}."


def ask_app(store: Store, run: Run, most: int = MOST_IMAGES) -> Generator[Progress, None, Asked]:
    """What the app says of up to `most` of the run's test images, from all over the set; of its validation images where it has no
    others. Raises RunError or DataError."""
    folder, source = store.home.run_folder(run.id), open_source(run.config.data, store.home)
    check_classes(folder, source)
    part, images = "test", (yield from load_split(source, run.config, "test"))
    if not len(images):
        part, images = "val", (yield from load_split(source, run.config, "val"))
    if not len(images):
        raise StudioError("The run has neither test nor validation images to check a file on. Add some to its data set.")
    return (yield from ask_about(Classifier(folder), spread(images, most), part))


def ask_about(classifier: Classifier, images: ImageSet, part: Part) -> Generator[Progress, None, Asked]:
    """What the app says of these images."""
    parts = []
    for chunk in chunks(len(images)):
        yield Progress("Asking the app about images", chunk.start, len(images))
        parts.append(classifier.probabilities(images[chunk]))
    return Asked(part, images[:], images.labels, np.concatenate(parts))


def spread(images: ImageSet, most: int) -> ImageSet:
    """At most `most` of the images, from all over the set."""
    return images if len(images) <= most else images.take(np.linspace(0, len(images) - 1, most).astype(np.int64))


def compare(asked: Asked, answers: np.ndarray) -> Checked:
    """How a file's `answers` (N, classes) compare with the app's. Raises StudioError when they are others."""
    expected = asked.expected
    if answers.shape != expected.shape or not np.isfinite(answers).all():
        raise StudioError("The exported file does not answer as the app does: it gives no probabilities. It is not offered.")
    chosen = np.take_along_axis(expected, answers.argmax(1)[:, None], 1)[:, 0]  # the app's probability of the file's class
    others, largest = int((chosen < expected.max(1) - TIE).sum()), float(np.abs(answers - expected).max())
    if others or largest > NEAR:
        raise StudioError(
            f"The exported file does not answer as the app does: another class in {others:,} of {len(expected):,} images, probabilities up to "
            f"{largest:.1g} apart. It is not offered; export another form."
        )
    return Checked(asked.part, len(expected), int((answers.argmax(1) != expected.argmax(1)).sum()), largest)
