"""Probable label errors by confident learning (C. Northcutt, L. Jiang, I. Chuang, Confident Learning, 2021, JAIR 70).

In: an out-of-sample Evaluation (a model reproduces the labels of images it was trained on). Out: images whose label is probably wrong, most
probable first, a suggested class for each, and an estimate of the number of wrong labels.

The threshold of a class is the mean probability of the class over the images with that label. An image is confidently of a class if its
probability reaches the threshold; of several such classes, of the most probable one. The confident joint counts images by label and by the
class they are confidently of.
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.evaluation import Evaluation

BLOCK = 2**20  # probabilities at a time: 8 MB
# Fraction of wrong labels in ten well-known data sets, found by confident learning and confirmed by people: the mean and the highest, of QuickDraw
# (C. Northcutt, A. Athalye, J. Mueller, Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks, 2021, NeurIPS).
TYPICAL_RATE, HIGHEST_RATE = 0.033, 0.101


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """`indices` (n,) int64 of suspected images, smallest margin first; `suggested` (n,) int64: the classes they are confidently of.

    `margins` (n,) float64: probability of the label minus that of the suggested class, -1..1. `joint` (classes, classes) float64: estimated
    number of images by label (row) and true class (column), scaled to the label counts.
    """

    indices: np.ndarray
    suggested: np.ndarray
    margins: np.ndarray
    joint: np.ndarray

    @property
    def estimated_count(self) -> float:
        """Estimated number of wrong labels, listed or not."""
        return float(self.joint.sum() - self.joint.trace())

    def reindex(self, new_indices: np.ndarray) -> "LabelErrors":
        """Return the suspected images with other indices: `new_indices` (N,) int64 for each image, -1 if it is left out."""
        keep = new_indices[self.indices] >= 0
        return LabelErrors(new_indices[self.indices[keep]], self.suggested[keep], self.margins[keep], self.joint)


def find_label_errors(evaluation: Evaluation) -> LabelErrors:
    """Return the suspected images of an out-of-sample evaluation."""
    labels, classes = evaluation.labels, len(evaluation.classes)
    thresholds = mean_class_probabilities(evaluation)
    confident, probability = _confident_classes(evaluation, thresholds)
    is_counted = confident >= 0
    counts = np.bincount(labels[is_counted] * classes + confident[is_counted], minlength=classes**2).reshape(classes, classes)
    suspects = np.flatnonzero(is_counted & (confident != labels))
    margins = evaluation.scores.true_probability[suspects] - probability[suspects]
    order = np.argsort(margins, kind="stable")
    return LabelErrors(suspects[order], confident[suspects][order], margins[order], calibrate_joint(counts, labels))


def expected_label_errors(suspects: int, images: int) -> int:
    """Return how many of the suspected of `images` have a wrong label if the fraction of wrong labels is TYPICAL_RATE; at most all suspects."""
    return min(suspects, round(TYPICAL_RATE * images))


def are_mostly_mistakes(accuracy: float) -> bool:
    """Whether an out-of-sample accuracy (0..1) is so low that most suspected images are mistakes of the model.

    The images on which model and label differ are mistakes of the model or label errors. If even HIGHEST_RATE of the labels are wrong, these are
    fewer than half of such images.
    """
    return (1 - accuracy) / 2 > HIGHEST_RATE


def mean_class_probabilities(evaluation: Evaluation) -> np.ndarray:
    """Return the mean probability of each class over the images with that label, (classes,) float64; infinite without images."""
    sums = np.bincount(evaluation.labels, evaluation.scores.true_probability, len(evaluation.classes))
    counts = np.bincount(evaluation.labels, minlength=len(evaluation.classes))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def calibrate_joint(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the confident joint (classes, classes) with each row scaled to the number of images with that label.

    Of a row without confident images, all labels count as correct.
    """
    totals = np.bincount(labels, minlength=len(counts)).astype(np.float64)
    rows = counts.sum(1)
    return np.where(rows[:, None] > 0, counts / np.maximum(rows, 1)[:, None], np.eye(len(counts))) * totals[:, None]


def _confident_classes(evaluation: Evaluation, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the class each image is confidently of, (N,) int64, -1 for none, and its probability (N,) float64."""
    confident, probability = np.full(len(evaluation), -1), np.zeros(len(evaluation))
    step = max(1, BLOCK // len(thresholds))
    for start in range(0, len(evaluation), step):
        block = slice(start, start + step)
        probabilities = evaluation.probabilities(block)
        probabilities[probabilities < thresholds] = -1.0
        best = probabilities.argmax(1)
        probability[block] = probabilities[np.arange(len(best)), best]
        confident[block] = np.where(probability[block] >= 0, best, -1)
    return confident, probability
