"""The digits set: scikit-learn's 1,797 real handwritten digits (UCI ML repository, E. Alpaydin and C. Kaynak, 1998).

Every original is an 8×8 grid of ink counts 0..16; the network sees it enlarged to 32×32. The set has no test part, so a fixed,
seeded fifth of every class is kept apart for testing.
"""

import numpy as np
from PIL import Image

from cnn_core.data.source import DataInfo, ImageSet, Loading, Part
from cnn_core.data.split import stratified_split
from cnn_core.events import Progress

TEST_SHARE, SPLIT_SEED = 0.2, 0
SIZE = 32


def enlarge(ink: np.ndarray) -> np.ndarray:
    """One digit's 8×8 ink counts (0..16) as a 32×32 uint8 picture, bright strokes on black."""
    small = Image.fromarray((ink * (255 / 16)).round().astype(np.uint8), "L")
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


class DigitsSource:
    """The embedded digits; needs no network."""

    info = DataInfo(
        name="digits",
        classes=tuple("0123456789"),
        image_size=SIZE,
        channels=1,
        train_count=1438,
        test_count=359,
        fingerprint="sklearn-digits-1797",
        ink=True,
    )

    def load(self, part: Part) -> Loading:
        yield Progress("Reading digits", 0, 1)
        from sklearn.datasets import load_digits

        digits = load_digits()
        train, test = stratified_split(digits.target, TEST_SHARE, SPLIT_SEED)
        chosen = train if part == "train" else test
        images = np.stack([enlarge(ink) for ink in digits.images[chosen]])
        return ImageSet(images[..., None], digits.target[chosen].astype(np.int64))
