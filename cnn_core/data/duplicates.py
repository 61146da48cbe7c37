"""Duplicate images: identical files, and the same image slightly changed.

In: an index with all decoding results, and its images. Out: pairs of rows in the index. Files are identical when their digests are. Candidates
for near duplicates have difference hashes (64 bits) that differ in at most BITS bits; a pair counts when one image, with the other's
brightness and contrast, equals the other up to RESIDUAL levels. To find candidates without comparing all pairs, hashes are cut into BITS + 1
bands: two hashes that differ in at most BITS bits agree in at least one band.

Measured: no pair counts among the 1,797 digits, and none among 20,000 images of CIFAR-10; of images saved again as JPEG of quality 75, nearly
all of CIFAR-10 and 80% of the digits (8×8 pixels) are found.
"""

from collections.abc import Generator

import numpy as np

from cnn_core.data.index.index import Index
from cnn_core.data.source import release
from cnn_core.events import Progress

BITS = 3
MIN_CORRELATION, RESIDUAL = (
    0.97,
    9.0,
)  # RESIDUAL: difference that remains after brightness and contrast are matched, in levels of 0..255
PLAIN = 2.0  # levels; an image with a smaller standard deviation has no pattern to correlate
BAND = 64 // (BITS + 1)
MAX_IN_BAND = 200  # images with the same band; more of them are plain or synthetic, and only neighbours are compared
MAX_CANDIDATES, MAX_PAIRS = 1_000_000, 200_000
COMPARED_SIDE = 32  # images are compared at about this side, pixels
PAIRS_PER_CHUNK = 1024
STAGE = "Finding duplicates"


def find_duplicates(index: Index, images: np.ndarray) -> Generator[Progress, None, None]:
    """Find the duplicates among the readable images and save them in the index, yielding Progress; images (M, S, S, C) uint8."""
    yield Progress(STAGE, 0, 1)
    same = index.duplicates.find_identical()
    rows, hashes = index.columns("problem is null", "row", "look")  # column `look`: the difference hash
    is_first = ~np.isin(rows, same[:, 1])  # of identical files, one is compared with other images
    candidates = candidate_pairs(rows[is_first], hashes[is_first].view(np.uint64))
    near = [np.empty((0, 2), np.int64)]
    for start in range(0, len(candidates), PAIRS_PER_CHUNK):
        yield Progress(STAGE, start, len(candidates))
        pairs = candidates[start : start + PAIRS_PER_CHUNK]
        near.append(pairs[are_near_duplicates(images, pairs)])
    index.duplicates.save(same, np.concatenate(near)[:MAX_PAIRS])


def candidate_pairs(rows: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Return pairs of rows (P, 2) int64, the lower one first, whose hashes (N,) uint64 differ in at most BITS bits."""
    bands = [_sorted_band(hashes, shift) for shift in range(0, 64, BAND)]
    pairs = [np.empty((0, 2), np.int64)]
    for distance in range(1, min(MAX_IN_BAND, len(hashes))):
        equal = [np.flatnonzero(band[distance:] == band[:-distance]) for _, band in bands]
        if not any(map(len, equal)) or sum(map(len, pairs)) > MAX_CANDIDATES:
            break
        for (order, _), at in zip(bands, equal, strict=True):
            one, other = order[at], order[at + distance]
            close = np.bitwise_count(hashes[one] ^ hashes[other]) <= BITS
            pairs.append(np.sort(np.stack((one[close], other[close]), 1), axis=1))
    one, other = np.concatenate(pairs).T
    keys = np.unique(one * len(hashes) + other)[:MAX_CANDIDATES]
    return np.sort(rows[np.stack(np.divmod(keys, len(hashes)), 1)], axis=1) if len(keys) else pairs[0]


def _sorted_band(hashes: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that sorts one band of the hashes, and the band in that order."""
    band = ((hashes >> np.uint64(shift)) & np.uint64(2**BAND - 1)).astype(np.uint16)
    order = np.argsort(band, kind="stable")
    return order, band[order]


def are_near_duplicates(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Whether the two images of each pair of rows (P, 2) are nearly identical, (P,) bool."""
    step = max(1, images.shape[1] // COMPARED_SIDE)
    one, other = (images[rows, ::step, ::step].reshape(len(pairs), -1).astype(np.float32) for rows in pairs.T)
    release(images)
    difference = np.abs(one - other).mean(1)
    for pixels in (one, other):
        pixels -= pixels.mean(1, keepdims=True)
    std, other_std = np.sqrt((one**2).mean(1)), np.sqrt((other**2).mean(1))
    correlation = (one * other).mean(1) / np.maximum(std * other_std, 1e-6)
    larger = np.maximum(std, other_std)
    residual = larger * np.sqrt(np.clip(1 - correlation**2, 0, None))
    is_near: np.ndarray = np.where(
        larger <= PLAIN, difference <= PLAIN, (correlation >= MIN_CORRELATION) & (residual <= RESIDUAL)
    )
    return is_near
