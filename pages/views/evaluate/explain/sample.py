"""The sample of images for ablation and dead channels: balanced over the classes, smaller if the images are large."""

from typing import TYPE_CHECKING

import numpy as np

from pages.shared.evaluation_subject import EvaluationSubject

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

MOST, FEWEST = 1000, 200  # images
PIXELS = MOST * 64 * 64  # pixels of the sample, which take some seconds


def choose_sample(subject: EvaluationSubject, evaluation: "Evaluation") -> np.ndarray:
    """Return the indices (n,) int64 of the sample, ascending; always the same for an evaluation."""
    from cnn_core.metrics.sampling import spread_over_classes

    side = subject.source.info.image_size
    return spread_over_classes(evaluation.labels, min(MOST, max(FEWEST, PIXELS // side**2)))
