"""Colours of the points: by true class, predicted class or correctness."""

from collections.abc import Sequence

import numpy as np

from pages.charts.components.map import Colouring

CLASSES = 20  # classes with their own colour: ten colours in two shapes
TRUTH, PREDICTED, CORRECTNESS = "true class", "predicted class", "correct or wrong"


def colour_points(by: str, truth: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Colouring:
    """Return the colours of points with classes `truth` and `predicted`, both (n,) int64, by TRUTH, PREDICTED or CORRECTNESS.

    If there are more than CLASSES classes, those with the most mistakes among the points have a colour (of equal counts, those with most points);
    all others have the same grey.
    """
    is_wrong = truth != predicted
    if by == CORRECTNESS:
        return Colouring(by, [("correct", 0), ("wrong", 1)], is_wrong.astype(np.int64))
    labels = truth if by == TRUTH else predicted
    present, place = np.unique(labels, return_inverse=True)
    if len(present) <= CLASSES:
        return Colouring(by, [(names[label], tone) for tone, label in enumerate(present)], place)
    mistakes = np.bincount(place, is_wrong, len(present))
    most = np.sort(np.lexsort((-np.bincount(place), -mistakes))[:CLASSES])
    tone = np.full(len(present), CLASSES)
    tone[most] = np.arange(CLASSES)
    groups = [(names[label], at) for at, label in enumerate(present[most])]
    return Colouring(by, [*groups, (f"{len(present) - CLASSES:,} other classes", -1)], tone[place])
