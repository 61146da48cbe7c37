"""The digits data set: scikit-learn's 1,797 handwritten digits (UCI Machine Learning Repository, E. Alpaydin and C. Kaynak, 1998).

Every original is an 8×8 grid of ink counts 0..16; the model receives it enlarged to 32×32. The data set has no test images of its own, so a fixed,
seeded fifth of every class is the test split.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from cnn_core.data.source import Split
from cnn_core.data.splits import stratified_split

TEST_FRACTION, SPLIT_SEED = 0.2, 0
SIZE = 32


def enlarge(ink: np.ndarray) -> np.ndarray:
    """Return one digit's 8×8 ink counts (0..16) as a 32×32 uint8 image, bright strokes on black."""
    small = Image.fromarray((ink * (255 / 16)).round().astype(np.uint8), "L")
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def read_digits(folder: Path) -> dict[Split, tuple[np.ndarray, np.ndarray]]:
    """Return images (N, 32, 32, 1) uint8 and labels (N,) int64 by split; scikit-learn contains them, so nothing is read from `folder`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.stack([enlarge(ink) for ink in digits.images])[..., None]
    train, test = stratified_split(digits.target, TEST_FRACTION, SPLIT_SEED)
    return {"train": (images[train], digits.target[train]), "test": (images[test], digits.target[test])}
