"""A run's curves by epoch as drawings (SVG) in a page that needs nothing else. In: epochs. Out: Html. Colours are the page's own CSS."""

import math
from collections.abc import Sequence

from cnn_core.events import Epoch
from cnn_core.report.markup import Html, tag

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 34, 42  # margins
DOTS = 40  # more epochs than that are a line without dots
TICKS = 4


def draw_curves(epochs: Sequence[Epoch], marked: int | None) -> Html:
    """Loss and accuracy of training and validation, with the epoch of the evaluated network marked."""
    return tag(
        "div",
        *(
            _chart(title, unit, epochs, name, marked)
            for title, unit, name in (("Loss", "cross-entropy (nats)", "loss"), ("Accuracy", "share of images (%)", "accuracy"))
        ),
        class_="curves",
    )


def _chart(title: str, unit: str, epochs: Sequence[Epoch], name: str, marked: int | None) -> Html:
    numbers = [epoch.epoch for epoch in epochs]
    scale = 100 if name == "accuracy" else 1
    lines = {split: [scale * getattr(epoch, f"{split}_{name}") for epoch in epochs] for split in ("train", "val")}
    known = [value for values in lines.values() for value in values if math.isfinite(value)] or [0.0]
    ticks = round_ticks(min(known), max(known))
    frame = _Frame(numbers[0], max(numbers[-1], numbers[0] + 1), ticks[0], ticks[-1])
    return tag(
        "svg",
        tag("title", f"{title} by epoch"),
        tag("desc", _in_words(title, numbers, lines)),
        *_axes(frame, ticks, unit),
        *_mark(frame, marked),
        *(piece for split, values in lines.items() for piece in _line(frame, numbers, values, split)),
        *_legend(title),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
    )


class _Frame:
    """From epochs and values to places in the drawing."""

    def __init__(self, first: float, last: float, low: float, high: float) -> None:
        self.first, self.last, self.low, self.high = first, last, low, high

    def x(self, epoch: float) -> float:
        return round(LEFT + (epoch - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def round_ticks(low: float, high: float) -> list[float]:
    """About TICKS evenly spaced round numbers from at or below `low` to at or above `high`; two at least."""
    rough = max(high - low, 0.02 * max(1.0, abs(high))) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _axes(frame: _Frame, ticks: list[float], unit: str) -> list[Html]:
    drawn: list[Html] = []
    for tick in ticks:
        drawn.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=frame.y(tick), y2=frame.y(tick), class_="grid"))
        drawn.append(tag("text", f"{tick:.4g}", x=LEFT - 6, y=frame.y(tick) + 5, text_anchor="end"))
    whole = [number for number in round_ticks(frame.first, frame.last) if number == int(number)]
    for number in {int(number) for number in whole if frame.first <= number <= frame.last} | {int(frame.first)}:
        drawn.append(tag("text", number, x=frame.x(number), y=HEIGHT - BOTTOM + 18, text_anchor="middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    drawn.append(tag("text", "epoch", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle"))
    drawn.append(tag("text", unit, x=14, y=middle, text_anchor="middle", transform=f"rotate(-90 14 {middle})"))
    return drawn


def _mark(frame: _Frame, epoch: int | None) -> list[Html]:
    if epoch is None or not frame.first <= epoch <= frame.last:
        return []
    x = frame.x(epoch)
    return [tag("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="mark")]


def _line(frame: _Frame, numbers: list[int], values: list[float], split: str) -> list[Html]:
    """The curve, broken where a value is no number."""
    pieces: list[list[str]] = [[]]
    for number, value in zip(numbers, values, strict=True):
        if math.isfinite(value):
            pieces[-1].append(f"{frame.x(number)},{frame.y(value)}")
        elif pieces[-1]:
            pieces.append([])
    drawn = [tag("polyline", points=" ".join(piece), class_=f"{split} curve") for piece in pieces if piece]
    if len(numbers) <= DOTS:
        places = [place.split(",") for piece in pieces for place in piece]
        drawn += [tag("circle", cx=x, cy=y, r=3, class_=f"{split} dot") for x, y in places]
    return drawn


def _legend(title: str) -> list[Html]:
    drawn = [tag("text", title, x=LEFT, y=20, class_="name")]
    for split, name, x in (("train", "training", 175), ("val", "validation", 270), ("mark", "this network", 378)):
        drawn.append(tag("line", x1=x - 24, x2=x - 6, y1=15, y2=15, class_="mark" if split == "mark" else f"{split} curve"))
        drawn.append(tag("text", name, x=x, y=20))
    return drawn


def _in_words(title: str, numbers: list[int], lines: dict[str, list[float]]) -> str:
    (train_first, train_last), (val_first, val_last) = ((values[0], values[-1]) for values in lines.values())
    return (
        f"{title} from epoch {numbers[0]} to {numbers[-1]}: training {train_first:.4g} to {train_last:.4g}, "
        f"validation {val_first:.4g} to {val_last:.4g}. The table below has all numbers."
    )
