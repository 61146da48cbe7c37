"""A sample of images, balanced over the classes. In: labels. Out: indices."""

import numpy as np


def spread_over_classes(labels: np.ndarray, limit: int) -> np.ndarray:
    """Return at most `limit` indices (n,) int64, ascending, of labels (N,) int64: the same number of each class, as far as it has images.

    The images of a class are spread evenly over the set. The same labels give the same indices.
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    round_of = np.empty(len(labels), np.int64)  # the round over the classes in which an image is taken
    for start, count in zip(np.cumsum(counts) - counts, counts, strict=True):
        round_of[order[start : start + count]] = _spread(int(count))
    first = np.lexsort((np.arange(len(labels)), labels, round_of))[:limit]
    return np.sort(first)


def _spread(count: int) -> np.ndarray:
    """Return the rank (count,) int64 of each of 0..count-1 in bit-reversed order, in which every prefix is evenly spread."""
    width = max(1, (count - 1).bit_length())
    reversed_bits = [int(f"{number:0{width}b}"[::-1], 2) for number in range(count)]
    return np.argsort(np.argsort(reversed_bits))
