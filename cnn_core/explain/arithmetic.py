"""The arithmetic of one step of a network: windows, weights, scale and shift.

In: shapes and weights, as arrays. Out: operations that state which input values an output value is computed from, and how; no network is
run here. V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning, 2016.
"""

from dataclasses import dataclass

import numpy as np

WindowIndices = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Windows:
    """The input rows in the window of each output row, and the input columns in that of each output column.

    The output (row, column) is computed from the inputs `rows[row]` × `columns[column]`. Indices below 0 or beyond the input are padding.
    """

    rows: WindowIndices
    columns: WindowIndices


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """A convolution, or a linear layer as a convolution whose kernel covers its whole input.

    `weights` (outputs, inputs / groups, height, width) float32, `bias` (outputs,) float32.
    """

    weights: np.ndarray
    bias: np.ndarray
    windows: Windows
    groups: int = 1

    def input_channels(self, channel: int) -> range:
        """Return the input channels of output `channel`: those of its group."""
        outputs, inputs = self.weights.shape[:2]
        group = channel // (outputs // self.groups)
        return range(group * inputs, (group + 1) * inputs)

    def partial_sums(self, inputs: np.ndarray, channel: int) -> np.ndarray:
        """Return what each input channel adds to output `channel`: (inputs / groups, H', W') float64, for inputs (C, H, W).

        Their sum plus the bias is the layer's output.
        """
        rows, is_padded_row = _clip(self.windows.rows, inputs.shape[1])
        columns, is_padded_column = _clip(self.windows.columns, inputs.shape[2])
        is_inside = ~(is_padded_row[:, None, :, None] | is_padded_column[None, :, None, :])  # (H', W', height, width)
        channels = self.input_channels(channel)
        group = inputs[channels.start : channels.stop]
        windows = group[:, rows[:, None, :, None], columns[None, :, None, :]] * is_inside  # (inputs, H', W', height, width)
        return np.asarray(np.einsum("chwyx,cyx->chw", windows, self.weights[channel], dtype=np.float64))


@dataclass(frozen=True)
class Pooling:
    """The maximum of each window without padding, or the mean of all its values."""

    is_max: bool
    windows: Windows


@dataclass(frozen=True, eq=False)
class Affine:
    """Output = `scale` × input + `shift`, both broadcast to (C, H, W): a normalisation or a factor."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Activation:
    """A function of each single value, such as ReLU."""


@dataclass(frozen=True)
class Elementwise:
    """The elementwise sum or product of two inputs; one with a single pixel is broadcast."""

    is_sum: bool


@dataclass(frozen=True)
class Softmax:
    """The exponential of each value, divided by the sum of all of them."""


@dataclass(frozen=True)
class Rearrangement:
    """Values are moved or dropped; none is computed."""


Operation = WeightedSum | Pooling | Affine | Activation | Elementwise | Softmax | Rearrangement


def sliding_windows(outputs: int, size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> WindowIndices:
    """Return the indices in each window of `size` values, `dilation` apart, that moves by `stride` and begins `padding` before the input."""
    return tuple(tuple(output * stride - padding + offset * dilation for offset in range(size)) for output in range(outputs))


def adaptive_windows(inputs: int, outputs: int) -> WindowIndices:
    """Return the windows of adaptive pooling from `inputs` to `outputs` values; they overlap if the division has a remainder."""
    return tuple(tuple(range(output * inputs // outputs, -(-(output + 1) * inputs // outputs))) for output in range(outputs))


def _clip(windows: WindowIndices, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows as valid indices (outputs, size of the window) below `size`, and which of them are padding."""
    indices = np.array(windows)
    return indices.clip(0, size - 1), (indices < 0) | (indices >= size)
