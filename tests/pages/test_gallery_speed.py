"""The speed of filtering the test images of a large data set in the Gallery."""

import time

import numpy as np

from cnn_core.data.source import ImageSet
from cnn_core.metrics.evaluation import Evaluation
from pages.charts.components.picker import GridImage, describe
from pages.views.gallery.browse import ImageFilter


def test_filtering_100_000_images_and_showing_a_page_takes_at_most_a_third_of_a_second(tmp_path):
    """The best of five, of the processor's time: logits and images are files, as they are when they were kept."""
    rng, count = np.random.default_rng(0), 100_000
    labels = rng.integers(0, 10, count)
    np.save(tmp_path / "logits.npy", rng.normal(size=(count, 10)).astype(np.float32) + 3 * np.eye(10, dtype=np.float32)[labels])
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (count, 32, 32, 3))[::97] = 200
    evaluation = Evaluation(tuple("abcdefghij"), np.load(tmp_path / "logits.npy", mmap_mode="r"), labels)
    images = ImageSet(np.load(tmp_path / "images.npy", mmap_mode="r"), labels)
    assert len(evaluation.scores.confidence) == count  # computed once, when the view is opened
    choice = ImageFilter(None, None, True, (20, 100), "Most probable first")

    def seconds() -> float:
        begun = time.process_time()
        page = choice.apply(evaluation)[2400:2424]
        images_of_page = [GridImage(int(index), pixels, "", "") for index, pixels in zip(page, images[page], strict=True)]
        assert len([describe(image) for image in images_of_page]) == 24
        return time.process_time() - begun

    assert min(seconds() for _ in range(5)) <= 0.3
