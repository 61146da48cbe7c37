"""Seeded, stratified splits: the same fraction of every class."""

import numpy as np


def count_drawn(count: int, fraction: float) -> int:
    """Return how many of the `count` images of a class `stratified_split` draws."""
    return min(max(1, round(fraction * count)), max(0, count - 1))


def stratified_split(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split indices 0..N-1 into (rest, drawn), `drawn` with `fraction` of every class: at least one image and never all of them.

    labels: (N,) int. Both results are sorted int64 indices. The same labels, fraction and seed give the same split. A class with a
    single image is not drawn from.
    """
    # Not scikit-learn's train_test_split: its other random draws would change the split of every stored seed, and importing it takes 1.4 s.
    rng = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        drawn.append(members[: count_drawn(len(members), fraction)])
    chosen = np.sort(np.concatenate(drawn))
    rest = np.setdiff1d(np.arange(len(labels)), chosen, assume_unique=True)
    return rest, chosen


def draw_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold (N,) int64 of each image. Classes and images are spread evenly over the folds: their counts differ by at most one."""
    # Not scikit-learn's StratifiedKFold: its other random draws would change the folds of saved results, and importing it takes 1.4 s.
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, at random within each
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    return fold_of
