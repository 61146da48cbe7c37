"""Some of many images, spread over the classes: for what would take too long with all of them. In: labels. Out: indices."""

import numpy as np


def spread_over_classes(labels: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` indices (n,) int64, ascending, of labels (N,) int64: of every class as many as of the others, as far as it has them.

    Those of one class lie evenly spread over the set. The same labels give the same images.
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    turn = np.empty(len(labels), np.int64)  # in which round over the classes an image is taken
    for start, count in zip(np.cumsum(counts) - counts, counts, strict=True):
        turn[order[start : start + count]] = _spread(int(count))
    first = np.lexsort((np.arange(len(labels)), labels, turn))[:limit]
    return np.sort(first)


def _spread(count: int) -> np.ndarray:
    """The place (count,) int64 of each of 0..count-1 in an order whose every beginning is evenly spread: by their bits turned round."""
    width = max(1, (count - 1).bit_length())
    turned = [int(f"{number:0{width}b}"[::-1], 2) for number in range(count)]
    return np.argsort(np.argsort(turned))
