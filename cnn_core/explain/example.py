"""A convolution with known kernels on a handwritten digit, for people who have no trained model yet.

In: a studio home. Out: the digit and its steps: the convolution, ReLU and max pooling. The edge kernels are those of Sobel and Feldman
(1968), the blur is a mean over 3×3 pixels.
"""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.explain.forward_trace import TraceStep, trace_forward
from cnn_core.home import Home

ROWS = [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]
KERNELS = torch.tensor([ROWS, [list(row) for row in zip(*ROWS, strict=True)], [[1 / 9] * 3] * 3]).unsqueeze(1)  # (3, 1, 3, 3)


def trace_example(home: Home) -> tuple[np.ndarray, list[TraceStep]]:
    """Return the digit, (32, 32, 1) uint8, and the steps. Its pixels are not normalised: black is 0, as the padding is."""
    pixels = finish(open_source("digits", home).load("train"))[np.arange(1)][0]
    convolution = nn.Conv2d(1, len(KERNELS), 3, padding=1, bias=False)
    convolution.weight = nn.Parameter(KERNELS, requires_grad=False)
    layers: dict[str, nn.Module] = {"kernels": convolution, "activation": nn.ReLU(), "pooling": nn.MaxPool2d(2)}
    steps = trace_forward(nn.Sequential(OrderedDict(layers)), torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255).float())
    return pixels, steps[:-1]  # without the softmax, which needs classes
