"""A curve of bounded size, however many steps a run takes. In: points, step by step. Out: columns for a chart.

The newest points are kept as they came; of older ones the lowest and the highest of every stretch. Stretches begin at step 1 and are
a power of two wide, so that stretches of stretches are stretches again: what is drawn does not depend on when points were let go.
Importing this module does not import torch.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

CURVE_POINTS = 2000  # kept of what is not new
NEWEST = 4096  # steps that can be taken back without a trace, and points that an update can be made from


def decimate(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `limit` of the points (x ascending), the lowest and highest y of each of limit/2 equal stretches of x, in order."""
    if len(x) <= limit:
        return x, y
    return _envelope(x, y, ((x - x[0]) * (limit // 2) // (x[-1] - x[0] + 1)).astype(np.int64))


def thin(x: np.ndarray, y: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest y of every `width` steps from step 1 on, in order."""
    return _envelope(x, y, (x - 1) // width) if width > 1 and len(x) else (x, y)


def stretch_width(last: int, limit: int) -> int:
    """The least power of two of which so few stretches reach step `last` that two points each are at most `limit`."""
    return 1 << max(0, -(-last // (limit // 2)) - 1).bit_length() if last > limit else 1


def _envelope(x: np.ndarray, y: np.ndarray, stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of the lowest and the last of the highest y of each stretch; `stretch` numbers them, ascending."""
    order = np.lexsort((y, stretch))
    first = np.flatnonzero(np.diff(stretch[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    kept = np.unique(np.concatenate((order[first], order[last])))
    return x[kept], y[kept]


def _none() -> array:
    return array("d")


@dataclass
class Curve:
    """Values by step. A step that is taken back beyond the NEWEST leaves its stretch with those extremes that were kept of it."""

    old_x: array = field(default_factory=_none)  # steps are whole numbers far below 2**53
    old_y: array = field(default_factory=_none)
    new_x: array = field(default_factory=_none)
    new_y: array = field(default_factory=_none)

    def extend(self, x: Iterable[int], y: Iterable[float]) -> None:
        """Add points after the last one."""
        self.new_x.extend(x)
        self.new_y.extend(y)
        if len(self.new_x) >= 2 * NEWEST:
            self._settle()

    def _settle(self) -> None:
        """Let go of what is not needed of all but the newest points."""
        x, y = self.points()
        width = stretch_width(int(x[-1]), CURVE_POINTS)
        cut = int(np.searchsorted(x, (x[-NEWEST] - 1) // width * width, side="right"))
        self.old_x, self.old_y = (array("d", values.tobytes()) for values in thin(x[:cut], y[:cut], width))
        self.new_x, self.new_y = (array("d", values.tobytes()) for values in (x[cut:], y[cut:]))

    def take_back(self, step: int) -> None:
        """Forget what came after step `step`."""
        for x, y in ((self.old_x, self.old_y), (self.new_x, self.new_y)):
            kept = int(np.searchsorted(x, step, side="right"))
            del x[kept:], y[kept:]

    def points(self, since: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of what is kept of the steps after `since`."""
        if self.new_x and self.new_x[0] <= since + 1:
            first = int(np.searchsorted(self.new_x, since, side="right"))
            return np.array(self.new_x[first:]), np.array(self.new_y[first:])
        x, y = np.array(self.old_x + self.new_x), np.array(self.old_y + self.new_y)
        first = int(np.searchsorted(x, since, side="right"))
        return x[first:], y[first:]

    def thinned(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `limit` points that show the envelope of the whole curve."""
        x, y = self.points()
        return thin(x, y, stretch_width(int(x[-1]), limit)) if len(x) else (x, y)

    @property
    def last(self) -> float | None:
        """The newest value."""
        newest = self.new_y or self.old_y
        return newest[-1] if newest else None
