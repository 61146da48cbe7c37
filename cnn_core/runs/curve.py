"""A curve of bounded size, however many steps a run takes. In: points, step by step. Out: columns for a chart.

The newest points are stored unchanged. Of older ones the lowest and the highest of every interval of steps are stored, and their mean.
Intervals begin at step 1 and their width is a power of two, so that two neighbouring intervals merge into one: the drawn curve does not
depend on when old points were reduced. Importing this module does not import torch.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

CURVE_POINTS = 2000  # the most older points that are stored
NEWEST = 4096  # the last steps, which are stored unchanged
Points = tuple[np.ndarray, np.ndarray]  # steps and values, (n,) each


def decimate(x: np.ndarray, y: np.ndarray, limit: int) -> Points:
    """Return at most `limit` of the points (x ascending): the lowest and highest y of each of limit/2 equal intervals of x, in order."""
    if len(x) <= limit:
        return x, y
    return _envelope(x, y, ((x - x[0]) * (limit // 2) // (x[-1] - x[0] + 1)).astype(np.int64))


def interval_width(steps: int, limit: int) -> int:
    """Return the least power of two with which `steps` steps have at most limit/2 intervals; 1 for up to `limit` steps."""
    return 1 << max(0, -(-steps // (limit // 2)) - 1).bit_length() if steps > limit else 1


def _reduce(x: np.ndarray, y: np.ndarray, width: int) -> Points:
    """Return the lowest and highest y of every `width` steps from step 1 on, in order."""
    return _envelope(x, y, (x - 1) // width) if width > 1 and len(x) else (x, y)


def _envelope(x: np.ndarray, y: np.ndarray, interval: np.ndarray) -> Points:
    """Return the first of the lowest and the last of the highest y of each interval; `interval` numbers them, ascending."""
    order = np.lexsort((y, interval))
    first = np.flatnonzero(np.diff(interval[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    extremes = np.unique(np.concatenate((order[first], order[last])))
    return x[extremes], y[extremes]


def _average(x: np.ndarray, y: np.ndarray, width: int, since: int = 0) -> Points:
    """Return the last step and the mean of every `width` steps. Each y stands for the steps since the point before it, the first since `since`."""
    if not len(x):
        return x, y
    counts = np.diff(x, prepend=since)
    first = np.flatnonzero(np.diff((x - 1) // width, prepend=-1))
    return np.append(x[first[1:] - 1], x[-1]), np.add.reduceat(y * counts, first) / np.add.reduceat(counts, first)


def _empty() -> "array[float]":
    return array("d")


@dataclass
class Curve:
    """Values by step: the newest as they are, the older ones by the `old_` extremes and the `mean_` values of their intervals."""

    old_x: "array[float]" = field(default_factory=_empty)  # steps are whole numbers far below 2**53
    old_y: "array[float]" = field(default_factory=_empty)
    mean_x: "array[float]" = field(default_factory=_empty)  # the last step of each interval
    mean_y: "array[float]" = field(default_factory=_empty)
    new_x: "array[float]" = field(default_factory=_empty)
    new_y: "array[float]" = field(default_factory=_empty)

    def extend(self, x: Iterable[int], y: Iterable[float]) -> None:
        """Add points after the last one."""
        self.new_x.extend(x)
        self.new_y.extend(y)
        if len(self.new_x) >= 2 * NEWEST:
            self._reduce_old()

    def _reduce_old(self) -> None:
        """Replace all but the newest points by their extremes and means."""
        x, y = self.points()
        width = interval_width(int(x[-1]), CURVE_POINTS)
        end = (x[-NEWEST] - 1) // width * width
        means, cut = self._means(), int(np.searchsorted(x, end, side="right"))
        old = int(np.searchsorted(means[0], end, side="right"))
        self.mean_x, self.mean_y = _arrays(_average(means[0][:old], means[1][:old], width))
        self.old_x, self.old_y = _arrays(_reduce(x[:cut], y[:cut], width))
        self.new_x, self.new_y = _arrays((x[cut:], y[cut:]))

    def truncate(self, step: int) -> None:
        """Remove the points after `step`. Where `step` is older than the NEWEST steps, extremes after it are removed and its interval's mean stays."""
        for x, y in ((self.old_x, self.old_y), (self.new_x, self.new_y)):
            end = int(np.searchsorted(x, step, side="right"))
            del x[end:], y[end:]
        last = int(np.searchsorted(self.mean_x, step))
        if last < len(self.mean_x):
            del self.mean_x[last + (step > 0) :], self.mean_y[last + (step > 0) :]
            if step:
                self.mean_x[last] = step

    def points(self, since: int = 0) -> Points:
        """Return the stored points after step `since`."""
        if self.new_x and self.new_x[0] <= since + 1:
            first = int(np.searchsorted(self.new_x, since, side="right"))
            return np.array(self.new_x[first:]), np.array(self.new_y[first:])
        x, y = np.array(self.old_x + self.new_x), np.array(self.old_y + self.new_y)
        first = int(np.searchsorted(x, since, side="right"))
        return x[first:], y[first:]

    def envelope(self, limit: int) -> Points:
        """Return at most `limit` points that show the envelope of the whole curve."""
        x, y = self.points()
        return _reduce(x, y, interval_width(int(x[-1]), limit)) if len(x) else (x, y)

    def means(self, limit: int, since: int = 0) -> Points | None:
        """Return the means of at most limit/2 + 1 intervals of the steps after `since`, each at its last step. None for up to `limit` steps:
        then the points themselves can be drawn."""
        x, y = self._means()
        first = int(np.searchsorted(x, since, side="right"))
        if not len(x) or x[-1] - since <= limit:
            return None
        return _average(x[first:], y[first:], interval_width(int(x[-1]) - since, limit), since)

    def _means(self) -> Points:
        """Return the means of the old intervals, and the newest values."""
        return np.array(self.mean_x + self.new_x), np.array(self.mean_y + self.new_y)


def _arrays(points: Points) -> "tuple[array[float], array[float]]":
    x, y = points
    return array("d", x.tobytes()), array("d", y.tobytes())
