"""Orders of an evaluation's images: by loss, confidence or margin.

In: an Evaluation. Out: indices of its images. Only one number per image is compared, so 100,000 images of 1,000 classes take milliseconds.
"""

from collections.abc import Callable

import numpy as np

from cnn_core.metrics.evaluation import Evaluation


def highest_loss(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Return the images `among` these indices (None: all), highest cross-entropy first, (n,) int64."""
    return _ordered(-evaluation.scores.loss, among)


def lowest_loss(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Return the images, lowest cross-entropy first, (n,) int64."""
    return _ordered(evaluation.scores.loss, among)


def most_confidently_wrong(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Return the misclassified images, most confident first, (n,) int64."""
    wrong = np.flatnonzero(~evaluation.is_correct) if among is None else among[~evaluation.is_correct[among]]
    return _ordered(-evaluation.scores.confidence, wrong)


def smallest_margin(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Return the images, smallest gap between the two most probable classes first (margin: T. Scheffer and others, 2001), (n,) int64."""
    return _ordered(evaluation.scores.confidence - evaluation.scores.second_confidence, among)


ORDERINGS: dict[str, Callable[[Evaluation, np.ndarray | None], np.ndarray]] = {
    "highest loss": highest_loss,
    "most confidently wrong": most_confidently_wrong,
    "smallest margin": smallest_margin,
    "lowest loss": lowest_loss,
}


def _ordered(values: np.ndarray, among: np.ndarray | None) -> np.ndarray:
    """Return indices `among` these (None: all) by rising values (N,); equal values keep their order."""
    among = np.arange(len(values)) if among is None else among
    return among[np.argsort(values[among], kind="stable")]
