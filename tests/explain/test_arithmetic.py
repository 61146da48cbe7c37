"""The arithmetic of a convolution, written out window by window, against torch for every stride, padding, dilation and group."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.explain.arithmetic import adaptive_windows, sliding_windows
from cnn_core.explain.forward_trace import trace_forward


def step_of(layer, image):
    """What `follow` says of a network that is that layer alone."""
    return trace_forward(nn.Sequential(layer).eval(), image)[1]


def random_image(channels, height=9, width=11):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("has_bias", [True, False])
def test_the_written_out_sums_are_what_the_layer_gives(stride, padding, dilation, groups, has_bias):
    torch.manual_seed(0)
    layer, image = nn.Conv2d(4, 8, (3, 2), stride, padding, dilation, groups, has_bias), random_image(4)
    operation = step_of(layer, image).operation
    expected = layer(image).detach()[0].numpy()
    for channel in range(8):
        sums = operation.partial_sums(image[0].numpy(), channel)
        assert sums.shape == (4 // groups, *expected.shape[1:])
        np.testing.assert_allclose(sums.sum(0) + operation.bias[channel], expected[channel], atol=1e-5)


def test_one_pixel_written_out_by_hand():
    """Products of window and kernel, number by number, at a pixel whose window begins in the padding."""
    layer, image = nn.Conv2d(2, 3, 3, stride=2, padding=1), random_image(2)
    operation = step_of(layer, image).operation
    rows, columns = operation.windows.rows[0], operation.windows.columns[2]
    assert (rows, columns) == ((-1, 0, 1), (3, 4, 5))
    total = layer.bias[1].item()
    for channel in range(2):
        for at, row in enumerate(rows):
            for across, column in enumerate(columns):
                if 0 <= row < 9:
                    total += layer.weight[1, channel, at, across].item() * image[0, channel, row, column].item()
    assert total == pytest.approx(layer(image)[0, 1, 0, 2].item(), abs=1e-5)


def test_an_output_channel_reads_its_own_group():
    operation = step_of(nn.Conv2d(6, 4, 1, groups=2), random_image(6)).operation
    assert [list(operation.input_channels(channel)) for channel in range(4)] == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]


def test_a_window_slides_by_its_stride_and_begins_in_the_padding():
    assert sliding_windows(3, 3, stride=2, padding=1, dilation=2) == ((-1, 1, 3), (1, 3, 5), (3, 5, 7))


def test_divided_windows_are_those_of_adaptive_pooling():
    for inputs, outputs in ((8, 1), (7, 3), (6, 4), (5, 5)):
        values = torch.arange(inputs, dtype=torch.float32) ** 2
        expected = nn.functional.adaptive_avg_pool1d(values[None], outputs)[0].tolist()
        assert [float(values[list(taps)].mean()) for taps in adaptive_windows(inputs, outputs)] == pytest.approx(expected)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.AdaptiveMaxPool2d((2, 3))])
def test_max_pooling_is_the_largest_number_of_its_window(layer):
    image = random_image(2)
    step = step_of(layer, image)
    assert step.operation.is_max
    expected, maps = layer(image)[0].numpy(), image[0].numpy()
    for row, rows in enumerate(step.operation.windows.rows):
        for column, columns in enumerate(step.operation.windows.columns):
            inside = [maps[:, y, x] for y in rows for x in columns if 0 <= y < 9 and 0 <= x < 11]
            np.testing.assert_array_equal(np.max(inside, 0), expected[:, row, column])
