"""Seeded, stratified splits: every class gives the same share."""

import numpy as np


def stratified_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split indices 0..N-1 into (rest, part), `part` holding `share` of every class: at least one image and never all of them.

    labels: (N,) int. Both results are sorted int64 indices. The same labels, share and seed give the same split. A class with a
    single image gives none.
    """
    rng = np.random.default_rng(seed)
    split = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(share * len(members))), len(members) - 1)
        split.append(members[:count])
    chosen = np.sort(np.concatenate(split))
    rest = np.setdiff1d(np.arange(len(labels)), chosen, assume_unique=True)
    return rest, chosen
