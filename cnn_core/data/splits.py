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


def draw_of_each(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return sorted indices (n,) int64 of at most `count` images of every class, drawn with the seed; those of a larger count include them.

    labels: (N,) int.
    """
    rng = np.random.default_rng((seed, 1))  # another sequence than that of the split
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]))


def split_training_images(
    labels: np.ndarray, fraction: float, seed: int, per_class: int = 0, *, has_validation: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Split the training images of a data set into those a run trains on and those it is validated on; return their sorted indices.

    labels: (N,) int. per_class: the most training images of each class, 0 for all. has_validation: the set has validation images of its own, so
    none are drawn.
    """
    if has_validation:
        rest, drawn = np.arange(len(labels)), np.empty(0, np.int64)
    else:
        rest, drawn = stratified_split(labels, fraction, seed)
    return (rest[draw_of_each(labels[rest], per_class, seed)] if per_class else rest), drawn
