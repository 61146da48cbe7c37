"""Reading a confusion matrix: the most confused pairs, an order that puts them side by side, a small matrix of a large one.

In: counts (C, C) int64, row = true class, column = predicted class. Out: arrays of class numbers and counts.
"""

from dataclasses import dataclass

import numpy as np

from cnn_core.metrics.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of different classes that were confused, the most often first: true and predicted class, images, share of the true class; (P,)."""

    true: np.ndarray
    predicted: np.ndarray
    count: np.ndarray
    share: np.ndarray


def confused_pairs(confusion: np.ndarray, limit: int | None = None) -> Pairs:
    """The `limit` pairs with most images (all without one); of equally many, the larger share of the true class first."""
    wrong = confusion - np.diag(confusion.diagonal())
    true, predicted = np.nonzero(wrong)
    count = wrong[true, predicted]
    share = count / confusion.sum(1)[true]
    order = np.lexsort((-share, -count))[:limit]
    return Pairs(true[order], predicted[order], count[order], share[order])


def most_confused_classes(confusion: np.ndarray, limit: int) -> np.ndarray:
    """Up to `limit` classes, those of the most confused pairs first, then the others in their order; (n,) int64."""
    pairs = confused_pairs(confusion)
    named = np.concatenate([np.stack([pairs.true, pairs.predicted], 1).ravel(), np.arange(len(confusion))])
    _, first = np.unique(named, return_index=True)
    return named[np.sort(first)][:limit]


def order_by_confusion(confusion: np.ndarray) -> np.ndarray:
    """All classes, (C,) int64: begins with the pair that is mixed up most (both ways counted), then always the one mixed up most with the
    class before it, or, where there is none, the pair that is mixed up most among the rest."""
    mixed = confusion + confusion.T
    np.fill_diagonal(mixed, 0)
    left = np.ones(len(mixed), bool)
    order: list[int] = []
    while left.any():
        ahead = np.where(left, mixed[order[-1]], 0) if order else np.zeros(1)
        label = int(ahead.argmax()) if ahead.any() else _begin(mixed, left)
        order.append(label)
        left[label] = False
    return np.array(order, np.int64)


def _begin(mixed: np.ndarray, left: np.ndarray) -> int:
    """One class of the most confused pair among those `left`: the one whose partner has the stronger tie to a third."""
    among = np.where(left[:, None] & left[None, :], mixed, 0)
    if not among.any():
        return int(left.argmax())
    one, other = np.unravel_index(among.argmax(), among.shape)
    ties = [np.delete(among[label], [one, other]).max(initial=0) for label in (one, other)]
    return int(one if ties[1] >= ties[0] else other)


def gather(confusion: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The matrix of the `chosen` classes (k,) in that order, and of all others together where there are any: (k + 1, k + 1), same sum."""
    place = np.full(len(confusion), len(chosen))
    place[chosen] = np.arange(len(chosen))
    size = len(chosen) + (len(chosen) < len(confusion))
    small = np.zeros((size, len(confusion)), confusion.dtype)
    np.add.at(small, place, confusion)
    columns = np.zeros((size, size), confusion.dtype)
    np.add.at(columns, place, small.T)
    return columns.T


def images_of_cell(evaluation: Evaluation, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Indices of the images of one of the classes `true` that were called one of `predicted`, the surest first, (n,) int64."""
    is_true, is_predicted = (np.isin(np.arange(len(evaluation.classes)), labels) for labels in (true, predicted))
    found = np.flatnonzero(is_true[evaluation.labels] & is_predicted[evaluation.predicted])
    return found[np.argsort(-evaluation.scores.confidence[found], kind="stable")]
