"""Views of a confusion matrix: the most confused pairs, an order by confusion, and a smaller matrix with merged classes.

In: counts (C, C) int64, row = true class, column = predicted class. Out: arrays of class indices and counts.
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class ConfusedPairs:
    """Confused pairs of classes, most images first, (P,) each: true and predicted class, images, and their fraction of the true class."""

    true: np.ndarray
    predicted: np.ndarray
    count: np.ndarray
    fraction: np.ndarray


def confused_pairs(confusion: np.ndarray, limit: int | None = None) -> ConfusedPairs:
    """Return the `limit` pairs with most images (None: all); of equal counts, the larger fraction of the true class first."""
    wrong = confusion - np.diag(confusion.diagonal())
    true, predicted = np.nonzero(wrong)
    count = wrong[true, predicted]
    fraction = count / confusion.sum(1)[true]
    order = np.lexsort((-fraction, -count))[:limit]
    return ConfusedPairs(true[order], predicted[order], count[order], fraction[order])


def most_confused_classes(confusion: np.ndarray, limit: int) -> np.ndarray:
    """Return up to `limit` classes, those of the most confused pairs first, then the others in their order; (n,) int64."""
    pairs = confused_pairs(confusion)
    classes = np.concatenate([np.stack([pairs.true, pairs.predicted], 1).ravel(), np.arange(len(confusion))])
    _, first = np.unique(classes, return_index=True)
    return classes[np.sort(first)][:limit]


def order_by_confusion(confusion: np.ndarray) -> np.ndarray:
    """Return all classes, (C,) int64, so that confused ones are neighbours.

    The order begins with the most confused pair (both directions counted). Each next class is the one confused most with the class before it;
    if there is none, the most confused pair of the remaining classes follows.
    """
    symmetric = confusion + confusion.T
    np.fill_diagonal(symmetric, 0)
    is_remaining = np.ones(len(symmetric), bool)
    order: list[int] = []
    while is_remaining.any():
        counts = np.where(is_remaining, symmetric[order[-1]], 0) if order else np.zeros(1)
        label = int(counts.argmax()) if counts.any() else _choose_start(symmetric, is_remaining)
        order.append(label)
        is_remaining[label] = False
    return np.array(order, np.int64)


def _choose_start(symmetric: np.ndarray, is_remaining: np.ndarray) -> int:
    """Return the class of the most confused remaining pair whose partner is confused more with a third class."""
    counts = np.where(is_remaining[:, None] & is_remaining[None, :], symmetric, 0)
    if not counts.any():
        return int(is_remaining.argmax())
    one, other = np.unravel_index(counts.argmax(), counts.shape)
    third = [np.delete(counts[label], [one, other]).max(initial=0) for label in (one, other)]
    return int(one if third[1] >= third[0] else other)


def merge_classes(confusion: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the matrix of the `chosen` classes (k,) in that order, with all others merged into one more class: (k + 1, k + 1), same sum."""
    target = np.full(len(confusion), len(chosen))
    target[chosen] = np.arange(len(chosen))
    size = len(chosen) + (len(chosen) < len(confusion))
    rows = np.zeros((size, len(confusion)), confusion.dtype)
    np.add.at(rows, target, confusion)
    columns = np.zeros((size, size), confusion.dtype)
    np.add.at(columns, target, rows.T)
    return columns.T


def find_cell_images(evaluation: Evaluation, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the indices of images of the classes `true` predicted as one of `predicted`, most confident first, (n,) int64."""
    is_true, is_predicted = (np.isin(np.arange(len(evaluation.classes)), labels) for labels in (true, predicted))
    indices = np.flatnonzero(is_true[evaluation.labels] & is_predicted[evaluation.predicted])
    return indices[np.argsort(-evaluation.scores.confidence[indices], kind="stable")]
