"""Whether the images of a set are light strokes on dark paper, as those of MNIST, so that a drawing should be too.

In: training images. Out: yes or no.
"""

import numpy as np

DARK, LIGHT = 0.15, 0.5  # fractions of full brightness: paper is darker, the brightest stroke lighter
MOST_COVERED = 0.5  # of an image's pixels: strokes cover less
MOST_OF_SET = 0.9  # of the images


def is_light_on_dark(images: np.ndarray) -> bool:
    """Return whether nearly all images (N, S, S, C) uint8 have a dark border, and light strokes that cover less than half of them."""
    if not len(images):
        return False
    grey = images.astype(np.float32).mean(3) / 255
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    is_dark = (np.median(border, axis=1) < DARK) & (border.mean(1) < DARK)
    is_stroke = (grey.max((1, 2)) > LIGHT) & ((grey > DARK).mean((1, 2)) < MOST_COVERED)
    return bool((is_dark & is_stroke).mean() >= MOST_OF_SET)
