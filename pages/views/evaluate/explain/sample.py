"""On how many images a network is tried: some of them, spread over the classes, fewer where they are large."""

from typing import TYPE_CHECKING

import numpy as np

from pages.shared.evaluation_subject import EvaluationSubject

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

MOST, FEWEST = 1000, 200  # images
PIXELS = MOST * 64 * 64  # what some seconds suffice for


def choose_sample(subject: EvaluationSubject, evaluation: "Evaluation") -> np.ndarray:
    """Indices (n,) int64, ascending: the same ones for the same evaluation."""
    from cnn_core.metrics.sampling import spread_over_classes

    side = subject.source.info.image_size
    return spread_over_classes(evaluation.labels, min(MOST, max(FEWEST, PIXELS // side**2)))
