"""Verification of an exported file: loaded again, it must predict what the program predicts.

In: the predictions of both for the same images. Out: their largest difference. Both are computed on the CPU in float32, whatever the precision of
the training; the program's predictions are those of the Classifier.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from cnn_core.config.images import open_images
from cnn_core.data.source import SPLIT_NAMES, ImageSet, Split
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.graph import predict_in_chunks
from cnn_core.inference.classifier import Classifier
from cnn_core.metrics.evaluation import check_classes, load_split
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted, format_number

MAX_IMAGES = 1_000
TIE = 1e-6  # classes whose probabilities differ by less are tied: rounding decides between them
TOLERANCE = 1e-4  # the largest difference allowed between a probability and the program's
PREDICTING_REFERENCE = "Predicting with CNN Studio"  # the name of a stage
VERIFIED = "Verified on {images}: same predicted classes"  # the beginning of a sentence
NO_IMAGES = "The exported file cannot be verified: the data set has neither test nor validation images. Add some."
NO_PROBABILITIES = "The exported file predicts no valid probabilities, so it is not offered. Choose another format."
DIFFERENT = (
    "The predictions of the exported file differ from those of CNN Studio: another class for {others:,} of {count:,} images, largest difference "
    "of probabilities {largest:.1g}. Choose another format."
)


@dataclass(frozen=True)
class ReferencePredictions:
    """Images (N, S, S, C) uint8 of one split with their labels (N,), and the program's `probabilities` (N, classes) float32."""

    split: Split
    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Verification:
    """The result for `images` images of a split: `ties`, how many have another class with the same probability predicted, and
    `largest_difference` between two probabilities."""

    split: Split
    images: int
    ties: int
    largest_difference: float

    def __str__(self) -> str:
        tied = f" ({counted(self.ties, 'tie')} between two classes)" if self.ties else ""
        difference = f"within {format_number(self.largest_difference, 1)}" if self.largest_difference else "identical"
        images = counted(self.images, f"{SPLIT_NAMES[self.split]} image")
        return f"{VERIFIED.format(images=images)}{tied}, probabilities {difference}."


def predict_reference(store: Store, run: Run, most: int = MAX_IMAGES) -> Generator[Progress, None, ReferencePredictions]:
    """Compute the program's predictions for up to `most` evenly spread test images of the run, or validation images if it has no test
    images. Yields Progress. Raises StudioError."""
    folder, source = store.home.run_folder(run.id), open_images(run.config, store.home)
    check_classes(folder, source)
    split: Split = "test"
    images = yield from load_split(source, run.config, split)
    if not len(images):
        split = "val"
        images = yield from load_split(source, run.config, split)
    if not len(images):
        raise StudioError(NO_IMAGES)
    return (yield from predict_with_classifier(Classifier(folder), spread(images, most), split))


def predict_with_classifier(
    classifier: Classifier, images: ImageSet, split: Split
) -> Generator[Progress, None, ReferencePredictions]:
    """Compute the program's predictions for these images. Yields Progress."""
    pixels = images[:]
    probabilities = yield from predict_in_chunks(classifier.probabilities, pixels, PREDICTING_REFERENCE)
    return ReferencePredictions(split, pixels, images.labels, probabilities)


def spread(images: ImageSet, most: int) -> ImageSet:
    """Return at most `most` of the images, evenly spread over the set."""
    return images if len(images) <= most else images.take(np.linspace(0, len(images) - 1, most).astype(np.int64))


def compare(reference: ReferencePredictions, probabilities: np.ndarray) -> Verification:
    """Compare a file's `probabilities` (N, classes) with the program's. Raises StudioError if they differ."""
    expected = reference.probabilities
    if probabilities.shape != expected.shape or not np.isfinite(probabilities).all():
        raise StudioError(NO_PROBABILITIES)
    of_its_class = np.take_along_axis(expected, probabilities.argmax(1)[:, None], 1)[
        :, 0
    ]  # the program's probability of the class that the file predicts
    others, largest = int((of_its_class < expected.max(1) - TIE).sum()), float(np.abs(probabilities - expected).max())
    if others or largest > TOLERANCE:
        raise StudioError(DIFFERENT.format(others=others, count=len(expected), largest=largest))
    ties = int((probabilities.argmax(1) != expected.argmax(1)).sum())
    return Verification(reference.split, len(expected), ties, largest)
