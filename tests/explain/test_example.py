"""The example of a convolution: its steps equal those of SciPy with the same kernels."""

import numpy as np
from scipy import ndimage

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.explain.example import KERNELS, trace_example
from cnn_core.home import Home


def test_the_steps_are_the_sobel_filters_and_the_mean_of_a_digit(home: Home):
    pixels, steps = trace_example(home)
    image = pixels[..., 0] / 255.0
    expected = [ndimage.sobel(image, axis, mode="constant") for axis in (0, 1)]
    expected.append(ndimage.uniform_filter(image, 3, mode="constant"))
    assert np.array_equal(pixels, finish(open_source("digits", home).load("train"))[np.arange(1)][0])
    assert [step.kind for step in steps] == ["image", "convolution", "activation", "pooling"] and len(KERNELS) == 3
    np.testing.assert_allclose(steps[1].output, expected, atol=1e-5)
    np.testing.assert_allclose(steps[3].output[2], ndimage.maximum_filter(expected[2], 2)[1::2, 1::2], atol=1e-5)
