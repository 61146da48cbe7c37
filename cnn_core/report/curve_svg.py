"""The report's loss and accuracy curves: coordinates for the template `curve.svg`. In: epochs. Out: values of one chart each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cnn_core.events import Epoch

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 34, 42  # margins
MOST_DOTS = 40  # epochs up to which each has a dot
TICKS = 4


def describe_curves(epochs: Sequence[Epoch], marked: int | None) -> list[dict[str, Any]]:
    """Return the charts of loss and accuracy, with the epoch of the evaluated model marked."""
    return [
        _describe_chart("Loss", "cross-entropy (nats)", epochs, "loss", 1, marked),
        _describe_chart("Accuracy", "fraction of images (%)", epochs, "accuracy", 100, marked),
    ]


def _describe_chart(
    title: str, unit: str, epochs: Sequence[Epoch], measure: str, scale: int, marked: int | None
) -> dict[str, Any]:
    numbers = [epoch.epoch for epoch in epochs]
    curves = {split: [scale * getattr(epoch, f"{split}_{measure}") for epoch in epochs] for split in ("train", "val")}
    finite = [value for values in curves.values() for value in values if math.isfinite(value)] or [0.0]
    ticks = round_ticks(min(finite), max(finite))
    axes = _Axes(numbers[0], max(numbers[-1], numbers[0] + 1), ticks[0], ticks[-1])
    return {
        "title": title,
        "unit": unit,
        "description": _describe(title, numbers, curves),
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "bottom": HEIGHT - BOTTOM,
        "y_ticks": [(axes.y(tick), f"{tick:.4g}") for tick in ticks],
        "x_ticks": [(axes.x(number), number) for number in _epoch_ticks(axes)],
        "mark": axes.x(marked) if marked is not None and axes.first <= marked <= axes.last else None,
        "lines": [_Line(split, _split_at_gaps(axes, numbers, values)) for split, values in curves.items()],
        "has_dots": len(numbers) <= MOST_DOTS,
    }


@dataclass(frozen=True)
class _Line:
    """A curve in `pieces` of points (x, y)."""

    split: str
    pieces: list[list[tuple[float, float]]] = field(default_factory=list)


@dataclass(frozen=True)
class _Axes:
    """The ranges of epochs and values, and their positions in the drawing."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Return the horizontal position of an epoch."""
        return round(LEFT + (epoch - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        return round(HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def round_ticks(low: float, high: float) -> list[float]:
    """Return about TICKS evenly spaced round numbers from at most `low` to at least `high`; at least two."""
    rough = max(high - low, 0.02 * max(1.0, abs(high))) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _epoch_ticks(axes: _Axes) -> set[int]:
    """Return the epochs with a label: whole numbers within the range, and the first."""
    whole = [number for number in round_ticks(axes.first, axes.last) if number == int(number)]
    return {int(number) for number in whole if axes.first <= number <= axes.last} | {int(axes.first)}


def _split_at_gaps(axes: _Axes, numbers: list[int], values: list[float]) -> list[list[tuple[float, float]]]:
    """Return the points of a curve in pieces, split where a value is not finite."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for number, value in zip(numbers, values, strict=True):
        if math.isfinite(value):
            pieces[-1].append((axes.x(number), axes.y(value)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _describe(title: str, numbers: list[int], curves: dict[str, list[float]]) -> str:
    """Return a description with the first and last values, for screen readers."""
    (train_first, train_last), (val_first, val_last) = ((values[0], values[-1]) for values in curves.values())
    return (
        f"{title} from epoch {numbers[0]} to {numbers[-1]}: training {train_first:.4g} to {train_last:.4g}, "
        f"validation {val_first:.4g} to {val_last:.4g}. The table below has all values."
    )
