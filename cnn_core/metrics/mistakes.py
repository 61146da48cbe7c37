"""Which images are worth a look: orderings of an evaluation's images by how they were classified.

In: an Evaluation. Out: indices of its images, the one to look at first in front. Only numbers per image are compared, so that
100,000 images of 1,000 classes are ordered at once.
"""

from collections.abc import Callable

import numpy as np

from cnn_core.metrics.evaluation import Evaluation


def highest_loss(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Images `among` these indices (all without any), the highest cross-entropy first, (n,) int64."""
    return _ordered(-evaluation.scores.loss, among)


def easiest(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """The lowest cross-entropy first, (n,) int64."""
    return _ordered(evaluation.scores.loss, among)


def most_confidently_wrong(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """Only images that were classified wrong, the most confident first, (n,) int64."""
    wrong = np.flatnonzero(~evaluation.is_right) if among is None else among[~evaluation.is_right[among]]
    return _ordered(-evaluation.scores.confidence, wrong)


def least_sure(evaluation: Evaluation, among: np.ndarray | None = None) -> np.ndarray:
    """The smallest gap between the two most probable classes first (margin sampling: T. Scheffer and others, 2001), (n,) int64."""
    return _ordered(evaluation.scores.confidence - evaluation.scores.runner_up, among)


ORDERINGS: dict[str, Callable[[Evaluation, np.ndarray | None], np.ndarray]] = {
    "highest loss": highest_loss,
    "most confidently wrong": most_confidently_wrong,
    "least sure": least_sure,
    "easiest": easiest,
}


def _ordered(values: np.ndarray, among: np.ndarray | None) -> np.ndarray:
    """Indices `among` these (all without any) by rising values (N,); of equal ones the first stays first."""
    among = np.arange(len(values)) if among is None else among
    return among[np.argsort(values[among], kind="stable")]
