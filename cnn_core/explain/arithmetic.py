"""What one step of a network computes, as numbers that can be written out: windows, weights, scales, shifts.

In: shapes and weights, as arrays. Out: operations that say which input numbers meet in an output number, and how; nothing here runs a network.
V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning, 2016.
"""

from dataclasses import dataclass

import numpy as np

Taps = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Reach:
    """Which input rows the window of every output row covers, and which columns that of every output column.

    An output pixel (row, column) looks at the input pixels `rows[row]` × `columns[column]`. Numbers below 0 or beyond the input are padding.
    """

    rows: Taps
    columns: Taps


@dataclass(frozen=True, eq=False)
class Weighing:
    """A convolution, or a linear layer as one whose kernel covers all of its input.

    `weights` (outputs, inputs / groups, height, width) float32, `bias` (outputs,) float32.
    """

    weights: np.ndarray
    bias: np.ndarray
    reach: Reach
    groups: int = 1

    def inputs_of(self, channel: int) -> range:
        """The input channels that output `channel` looks at: those of its group."""
        outputs, inputs = self.weights.shape[:2]
        group = channel // (outputs // self.groups)
        return range(group * inputs, (group + 1) * inputs)

    def partial_sums(self, inputs: np.ndarray, channel: int) -> np.ndarray:
        """What every input channel adds to output `channel`: (inputs / groups, H', W') float64, for inputs (C, H, W).

        Their sum and the bias are the layer's output.
        """
        rows, padded_rows = _within(self.reach.rows, inputs.shape[1])
        columns, padded_columns = _within(self.reach.columns, inputs.shape[2])
        inside = ~(padded_rows[:, None, :, None] | padded_columns[None, :, None, :])  # (H', W', height, width)
        own = inputs[self.inputs_of(channel).start : self.inputs_of(channel).stop]
        windows = own[:, rows[:, None, :, None], columns[None, :, None, :]] * inside  # (inputs, H', W', height, width)
        return np.einsum("chwyx,cyx->chw", windows, self.weights[channel], dtype=np.float64)


@dataclass(frozen=True)
class Pooling:
    """The largest number of every window, padding left out, or the mean of all its numbers."""

    is_max: bool
    reach: Reach


@dataclass(frozen=True, eq=False)
class Affine:
    """Output = `scale` × input + `shift`, both broadcast to (C, H, W): a norm, or a factor."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Activation:
    """A function of every single number, such as ReLU."""


@dataclass(frozen=True)
class Meeting:
    """The sum or the product of two inputs, number by number; one with a single pixel counts for all."""

    is_sum: bool


@dataclass(frozen=True)
class Softmax:
    """e to the power of every number, as a share of the sum of them all."""


@dataclass(frozen=True)
class Rearrangement:
    """Numbers move, or are left out; none is computed."""


Operation = Weighing | Pooling | Affine | Activation | Meeting | Softmax | Rearrangement


def sliding(outputs: int, size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
    """A window of `size` numbers, `dilation` apart, that moves on by `stride` and begins `padding` before the input."""
    return tuple(tuple(place * stride - padding + tap * dilation for tap in range(size)) for place in range(outputs))


def dividing(inputs: int, outputs: int) -> Taps:
    """Windows that divide `inputs` numbers among `outputs`, as adaptive pooling does; they overlap where that does not come out even."""
    return tuple(tuple(range(place * inputs // outputs, -(-(place + 1) * inputs // outputs))) for place in range(outputs))


def _within(taps: Taps, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The taps as an index (outputs, taps) into `size` numbers, and which of them are padding."""
    places = np.array(taps)
    return places.clip(0, size - 1), (places < 0) | (places >= size)
