"""What images look like on average: the statistics that normalising uses, and the mean image of a class."""

import numpy as np

from cnn_core.data.source import ImageSet

MOST_IMAGES, CHUNK = 100_000, 2000


def channel_statistics(images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of the images, in units of full brightness (0..1).

    Taken from the histogram of the 256 values, so that no float copy is made; of a very large set, from as many images as say it to
    three digits, spread evenly.
    """
    chosen = np.arange(0, len(images), -(-len(images) // MOST_IMAGES))
    histograms = np.zeros((images.pool.shape[3], 256), np.int64)
    for some in np.array_split(chosen, -(-len(chosen) // CHUNK)):
        pixels = images[some]
        for channel, counts in enumerate(histograms):
            counts += np.bincount(pixels[..., channel].ravel(), minlength=256)
    means, stds, values = [], [], np.arange(256) / 255
    for counts in histograms:
        mean = float((counts * values).sum() / counts.sum())
        means.append(mean)
        # A constant channel has no deviation; dividing by 1 leaves it at zero.
        stds.append(float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())) or 1.0)
    return tuple(means), tuple(stds)


def mean_images(images: ImageSet, classes: int, most: int = 300) -> np.ndarray:
    """The mean image of every class, (classes, H, W, C) uint8, over at most `most` images of it, spread evenly; black where there are none."""
    means = np.zeros((classes, *images.pool.shape[1:]), np.uint8)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        means[label] = images[members[:: -(-len(members) // most)]].mean(0).round()
    return means
