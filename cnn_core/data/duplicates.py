"""Images that are there twice: the same file, or the same picture slightly changed.

In: a finished index and its images. Out: pairs of rows in the index. Files are the same when their digests are. Candidates for
near duplicates have looks (64 bits, see `decode.look_of`) that differ in at most BITS; such a pair counts when one picture, made brighter
or darker and given the other's contrast, is the other up to RESIDUAL levels. To find candidates without comparing all with all, looks are cut
into BITS + 1 bands, of which two such looks share one.

Measured: of all pairs of the 1,797 digits, none counts, and of those of 20,000 images of CIFAR-10, none; saved again as JPEG of quality 75, nearly
all CIFAR-10 images and 80 % of the digits (8×8 pixels) are found.
"""

from collections.abc import Generator

import numpy as np

from cnn_core.data.index.index import Index
from cnn_core.data.source import release
from cnn_core.events import Progress

BITS = 3
ALIKE, RESIDUAL = 0.97, 9.0  # correlation, and what brightness and contrast leave unexplained, in levels of 0..255
PLAIN = 2.0  # levels of deviation below which a picture has nothing to correlate
BAND = 64 // (BITS + 1)
MOST_ALIKE = 200  # images with one band: beyond that they are plain or made by a machine, and only neighbours are compared
MOST_CANDIDATES, MOST_PAIRS = 1_000_000, 200_000
COMPARED_SIDE, AT_ONCE = 32, 1024  # pixels of a side that are compared, about; pairs


def find_duplicates(index: Index, images: np.ndarray) -> Generator[Progress, None, None]:
    """Keep the pairs of duplicates among the readable images in the index; images (M, S, S, C) uint8."""
    yield Progress("Looking for duplicates", 0, 1)
    same = index.duplicates.find_identical()
    rows, looks = index.columns("problem is null", "row", "look")
    once = ~np.isin(rows, same[:, 1])  # of files that are the same, one is compared with other pictures
    candidates = candidate_pairs(rows[once], looks[once].view(np.uint64))
    near = [np.empty((0, 2), np.int64)]
    for start in range(0, len(candidates), AT_ONCE):
        yield Progress("Looking for duplicates", start, len(candidates))
        pairs = candidates[start : start + AT_ONCE]
        near.append(pairs[are_near_duplicates(images, pairs)])
    index.duplicates.save(same, np.concatenate(near)[:MOST_PAIRS])


def candidate_pairs(rows: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Pairs of rows (P, 2) int64, the lower one first, whose looks (N,) uint64 differ in at most BITS bits."""
    bands = [_sorted_band(looks, shift) for shift in range(0, 64, BAND)]
    found = [np.empty((0, 2), np.int64)]
    for apart in range(1, min(MOST_ALIKE, len(looks))):
        alike = [np.flatnonzero(band[apart:] == band[:-apart]) for _, band in bands]
        if not any(map(len, alike)) or sum(map(len, found)) > MOST_CANDIDATES:
            break
        for (order, _), at in zip(bands, alike, strict=True):
            one, other = order[at], order[at + apart]
            close = np.bitwise_count(looks[one] ^ looks[other]) <= BITS
            found.append(np.sort(np.stack((one[close], other[close]), 1), axis=1))
    one, other = np.concatenate(found).T
    keys = np.unique(one * len(looks) + other)[:MOST_CANDIDATES]
    return np.sort(rows[np.stack(np.divmod(keys, len(looks)), 1)], axis=1) if len(keys) else found[0]


def _sorted_band(looks: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """The order in which one band of the looks is sorted, and the band in that order."""
    band = ((looks >> np.uint64(shift)) & np.uint64(2**BAND - 1)).astype(np.uint16)
    order = np.argsort(band, kind="stable")
    return order, band[order]


def are_near_duplicates(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of each pair of rows (P, 2) whether the two are nearly the same picture, (P,) bool."""
    step = max(1, images.shape[1] // COMPARED_SIDE)
    one, other = (images[rows, ::step, ::step].reshape(len(pairs), -1).astype(np.float32) for rows in pairs.T)
    release(images)
    apart = np.abs(one - other).mean(1)
    for pixels in (one, other):
        pixels -= pixels.mean(1, keepdims=True)
    deviation, others = np.sqrt((one**2).mean(1)), np.sqrt((other**2).mean(1))
    correlation = (one * other).mean(1) / np.maximum(deviation * others, 1e-6)
    larger = np.maximum(deviation, others)
    residual = larger * np.sqrt(np.clip(1 - correlation**2, 0, None))
    return np.where(larger <= PLAIN, apart <= PLAIN, (correlation >= ALIKE) & (residual <= RESIDUAL))
