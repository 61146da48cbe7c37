"""What images look like on average: exact where they are few, true to three digits where they are many."""

import numpy as np
import pytest

from cnn_core.data import statistics
from cnn_core.data.source import ImageSet
from cnn_core.data.statistics import channel_statistics, mean_images


@pytest.mark.parametrize("count", [1, 7, 12_001])
def test_channel_statistics_equal_numpys(count: int):
    rng = np.random.default_rng(count)
    pixels = (rng.random((count, 3, 4, 3)) ** (1, 2, 3) * 255).astype(np.uint8)
    mean, std = channel_statistics(ImageSet(pixels, np.zeros(count, np.int64)))
    np.testing.assert_allclose(mean, (pixels / 255).mean((0, 1, 2)), rtol=1e-10)
    np.testing.assert_allclose(std, (pixels / 255).std((0, 1, 2)), rtol=1e-10)


def test_statistics_are_of_the_sets_own_rows_only():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 4, 1)).astype(np.uint8)
    pixels[::2] = 255
    rows = np.arange(1, 60, 2)
    some, copied = ImageSet(pixels, np.zeros(30, np.int64), rows=rows), ImageSet(pixels[rows], np.zeros(30, np.int64))
    assert channel_statistics(some) == channel_statistics(copied)


def test_of_very_many_images_some_say_it_to_three_digits(monkeypatch: pytest.MonkeyPatch):
    pixels = (np.random.default_rng(0).random((9000, 4, 4, 1)) ** 2 * 255).astype(np.uint8)
    pixels = np.sort(pixels, axis=0)  # dark ones first: a sample from the beginning would not do
    images = ImageSet(pixels, np.zeros(9000, np.int64))
    (mean,), (std,) = channel_statistics(images)
    monkeypatch.setattr(statistics, "MAX_IMAGES", 1000)
    monkeypatch.setattr(statistics, "CHUNK", 300)
    (sampled_mean,), (sampled_std,) = channel_statistics(images)
    assert (sampled_mean, sampled_std) != (mean, std)
    assert (sampled_mean, sampled_std) == (pytest.approx(mean, rel=2e-3), pytest.approx(std, rel=2e-3))


def test_the_mean_image_of_a_class_is_that_of_its_images_and_black_where_there_are_none():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 3, 4, 3)).astype(np.uint8)
    labels, rows = np.arange(20) % 2 * 2, np.arange(29, 9, -1)
    means = mean_images(ImageSet(pixels, labels, rows=rows), 4)
    assert means.shape == (4, 3, 4, 3) and means.dtype == np.uint8 and not means[[1, 3]].any()
    for label in (0, 2):
        assert np.array_equal(means[label], pixels[rows[labels == label]].mean(0).round())


def test_the_mean_image_of_a_large_class_is_taken_of_images_spread_over_all_of_it():
    pixels = np.repeat(np.arange(100, dtype=np.uint8), 10).reshape(1000, 1, 1, 1)
    assert abs(int(mean_images(ImageSet(pixels, np.zeros(1000, np.int64)), 1, max_per_class=50).item()) - 50) <= 2
