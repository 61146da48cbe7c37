"""An exported file is offered only if, loaded back, it predicts what the program predicts.

In: the predictions of both for the same images. Out: how far they are apart. The program's predictions are the Classifier's, on the CPU
in float32, whatever the network was trained in; so are the file's.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, Part
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.graph import predict_in_chunks
from cnn_core.inference.classifier import Classifier
from cnn_core.metrics.evaluation import PART_NAMES, check_classes, load_part
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

MOST_IMAGES = 1_000
TIE = 1e-6  # classes whose probabilities differ by less are tied: rounding decides between them
TOLERANCE = 1e-4  # the largest difference allowed between a probability and the program's
PREDICTING_REFERENCE = "Predicting with CNN Studio"  # the name of a stage
NO_IMAGES = "The run has neither test nor validation images to verify a file with. Add some to its data set."
NO_PROBABILITIES = (
    "The exported file does not predict what CNN Studio predicts: it gives no probabilities. Choose another format."
)
DIFFERENT = (
    "The exported file does not predict what CNN Studio predicts: another class for {others:,} of {count:,} images, probabilities up to "
    "{largest:.1g} apart. Choose another format."
)


@dataclass(frozen=True)
class ReferencePredictions:
    """Images (N, S, S, C) uint8 of one split with their labels (N,), and the program's `probabilities` (N, classes) float32."""

    split: Part
    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Verification:
    """How a file's predictions compare with the program's: on `images` images of a split, `ties` of them with another of two tied classes,
    and `largest_difference` between two probabilities."""

    split: Part
    images: int
    ties: int
    largest_difference: float

    def __str__(self) -> str:
        tied = f" (two classes tie in {self.ties:,})" if self.ties else ""
        far = f"within {self.largest_difference:.0e}" if self.largest_difference else "the same to the last digit"
        return f"Checked on {self.images:,} {PART_NAMES[self.split]} images: same class in all{tied}, probabilities {far}."


def predict_reference(store: Store, run: Run, most: int = MOST_IMAGES) -> Generator[Progress, None, ReferencePredictions]:
    """The program's predictions for up to `most` of the run's test images, from all over the set; for its validation images if it has no
    test images. Raises RunError or DataError."""
    folder, source = store.home.run_folder(run.id), open_source(run.config.data, store.home)
    check_classes(folder, source)
    split: Part = "test"
    images = yield from load_part(source, run.config, split)
    if not len(images):
        split = "val"
        images = yield from load_part(source, run.config, split)
    if not len(images):
        raise StudioError(NO_IMAGES)
    return (yield from predict_with_classifier(Classifier(folder), spread(images, most), split))


def predict_with_classifier(
    classifier: Classifier, images: ImageSet, split: Part
) -> Generator[Progress, None, ReferencePredictions]:
    """The program's predictions for these images."""
    pixels = images[:]
    probabilities = yield from predict_in_chunks(classifier.probabilities, pixels, PREDICTING_REFERENCE)
    return ReferencePredictions(split, pixels, images.labels, probabilities)


def spread(images: ImageSet, most: int) -> ImageSet:
    """At most `most` of the images, from all over the set."""
    return images if len(images) <= most else images.take(np.linspace(0, len(images) - 1, most).astype(np.int64))


def compare(reference: ReferencePredictions, probabilities: np.ndarray) -> Verification:
    """How a file's `probabilities` (N, classes) compare with the program's. Raises StudioError if they differ."""
    expected = reference.probabilities
    if probabilities.shape != expected.shape or not np.isfinite(probabilities).all():
        raise StudioError(NO_PROBABILITIES)
    of_its_class = np.take_along_axis(expected, probabilities.argmax(1)[:, None], 1)[:, 0]  # the program's, of the file's class
    others, largest = int((of_its_class < expected.max(1) - TIE).sum()), float(np.abs(probabilities - expected).max())
    if others or largest > TOLERANCE:
        raise StudioError(DIFFERENT.format(others=others, count=len(expected), largest=largest))
    ties = int((probabilities.argmax(1) != expected.argmax(1)).sum())
    return Verification(reference.split, len(expected), ties, largest)
