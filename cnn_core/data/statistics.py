"""Image statistics: mean and standard deviation per channel for normalisation, and the mean image of a class."""

import numpy as np

from cnn_core.data.source import ImageSet

MAX_IMAGES, CHUNK = 100_000, 2000


def channel_statistics(images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of the images, in units of full brightness (0..1).

    Computed from the histogram of the 256 values, so that no float copy is made; for more than MAX_IMAGES images from an even sample, which is accurate
    to three digits.
    """
    chosen = np.arange(0, len(images), -(-len(images) // MAX_IMAGES))
    histograms = np.zeros((images.pool.shape[3], 256), np.int64)
    for chunk in np.array_split(chosen, -(-len(chosen) // CHUNK)):
        pixels = images[chunk]
        for channel, counts in enumerate(histograms):
            counts += np.bincount(pixels[..., channel].ravel(), minlength=256)
    means, stds, values = [], [], np.arange(256) / 255
    for counts in histograms:
        mean = float((counts * values).sum() / counts.sum())
        means.append(mean)
        # The standard deviation of a constant channel is 0; dividing by 1 leaves the channel at zero.
        stds.append(float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())) or 1.0)
    return tuple(means), tuple(stds)


def mean_images(images: ImageSet, classes: int, max_per_class: int = 300) -> np.ndarray:
    """Return the mean image of every class, (classes, H, W, C) uint8, of an even sample of at most `max_per_class` images; black for a class without images."""
    means = np.zeros((classes, *images.pool.shape[1:]), np.uint8)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        means[label] = images[members[:: -(-len(members) // max_per_class)]].mean(0).round()
    return means
