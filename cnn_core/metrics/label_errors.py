"""Labels that are probably wrong, by confident learning (C. Northcutt, L. Jiang, I. Chuang, Confident Learning, 2021, JAIR 70).

In: an Evaluation by networks that never saw the images (on images that a network learned from it believes the labels). Out: images whose
label is doubted, the most doubtful first, what they are instead, and how many labels are thought to be wrong in all.

A class's threshold is the mean probability that its images have of it. An image is confidently of a class when its probability
reaches that class's threshold; of several such classes, of the most probable one. The confident joint counts images by given class
and by the class that they are confidently of.
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.evaluation import Evaluation

BLOCK = 2**20  # probabilities at a time: 8 MB


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """`indices` (n,) int64 of suspects, the most doubtful first; `suggested` (n,) int64: the classes they are confidently of.

    `margins` (n,) float64: probability of the given class minus that of the suggested one, -1..1. `joint` (classes, classes) float64:
    how many images are thought to be of each given (row) and true class (column), scaled to the counts of the given ones.
    """

    indices: np.ndarray
    suggested: np.ndarray
    margins: np.ndarray
    joint: np.ndarray

    @property
    def estimated(self) -> float:
        """How many labels are thought to be wrong, whether or not they can be named."""
        return float(self.joint.sum() - self.joint.trace())

    def moved(self, to: np.ndarray) -> "LabelErrors":
        """The suspects as numbered elsewhere: `to` (N,) int64 is the index of every image there, -1 where it is not among them."""
        keep = to[self.indices] >= 0
        return LabelErrors(to[self.indices[keep]], self.suggested[keep], self.margins[keep], self.joint)


def find_label_errors(evaluation: Evaluation) -> LabelErrors:
    """The suspects of an out-of-sample evaluation."""
    labels, classes = evaluation.labels, len(evaluation.classes)
    thresholds = class_thresholds(evaluation)
    confident, share = _confident_classes(evaluation, thresholds)
    is_counted = confident >= 0
    counts = np.bincount(labels[is_counted] * classes + confident[is_counted], minlength=classes**2).reshape(classes, classes)
    suspects = np.flatnonzero(is_counted & (confident != labels))
    margins = evaluation.scores.truth[suspects] - share[suspects]
    order = np.argsort(margins, kind="stable")
    return LabelErrors(suspects[order], confident[suspects][order], margins[order], calibrate(counts, labels))


def class_thresholds(evaluation: Evaluation) -> np.ndarray:
    """Mean probability of each class over the images labelled so, (classes,) float64; infinite for a class without images."""
    sums = np.bincount(evaluation.labels, evaluation.scores.truth, len(evaluation.classes))
    counts = np.bincount(evaluation.labels, minlength=len(evaluation.classes))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def calibrate(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The confident joint (classes, classes) with each row scaled to the number of images labelled so; a row without any confident
    image is taken at its word."""
    totals = np.bincount(labels, minlength=len(counts)).astype(np.float64)
    rows = counts.sum(1)
    return np.where(rows[:, None] > 0, counts / np.maximum(rows, 1)[:, None], np.eye(len(counts))) * totals[:, None]


def _confident_classes(evaluation: Evaluation, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each image the class it is confidently of, (N,) int64, -1 for none, and its probability (N,) float64."""
    confident, share = np.full(len(evaluation), -1), np.zeros(len(evaluation))
    step = max(1, BLOCK // len(thresholds))
    for start in range(0, len(evaluation), step):
        block = slice(start, start + step)
        shares = evaluation.probabilities(block)
        shares[shares < thresholds] = -1.0
        best = shares.argmax(1)
        share[block] = shares[np.arange(len(best)), best]
        confident[block] = np.where(share[block] >= 0, best, -1)
    return confident, share
