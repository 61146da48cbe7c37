"""A run's events folded into columns for charts, and into the summary of the run. In: stored events. Out: plain values for JSON.

Columns are of bounded length: min/max decimation keeps the lowest and the highest point of every stretch of the x axis, so a
chart of a million steps shows the same envelope as the full one. Importing this module does not import torch.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from cnn_core.config import TrainConfig
from cnn_core.events import Changed, Epoch, Event, Finished, Note, Probed, Progress, Resumed, Started, Steps
from cnn_core.runs.store import Stored

SNAPSHOT_POINTS = 2000
UPDATE_POINTS = 200
GAUGES = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load")  # what a report says once, whatever its steps
MOST_CLASSES = 20
SMOOTH_EPOCHS, SMOOTH_STEPS = 0.1, (5, 50)  # smoothed curves look back a tenth of an epoch, within these numbers of steps
PACE_REPORTS = 20  # reports that the shown speed is a mean of: about five seconds


def decimate(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `limit` of the points (x ascending), the lowest and highest y of each of limit/2 equal stretches of x, in order."""
    if len(x) <= limit:
        return x, y
    stretch = ((x - x[0]) * (limit // 2) // (x[-1] - x[0] + 1)).astype(np.int64)
    order = np.lexsort((y, stretch))
    first = np.flatnonzero(np.diff(stretch[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    kept = np.unique(np.concatenate((order[first], order[last])))
    return x[kept], y[kept]


@dataclass
class History:
    """Everything known of a run so far. `add` folds new events in; the payloads are what the live chart draws.

    `resumed` is the place of the last resumption: points sent before it may have been taken back.
    """

    seq: int = 0
    started: Started | None = None
    finished: Finished | None = None
    stage: Progress | None = None
    last: Steps | None = None
    epochs: list[Epoch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    probed: list[Probed] = field(default_factory=list)
    resumed: int = 0
    _recent: deque[Steps] = field(default_factory=lambda: deque(maxlen=PACE_REPORTS + 1))
    _loss: list[float] = field(default_factory=list)
    _accuracy: list[float] = field(default_factory=list)
    _smoothing: float = 0.98
    _smooth_loss: list[float] = field(default_factory=list)
    _smooth_accuracy: list[float] = field(default_factory=list)
    _reported: list[int] = field(default_factory=list)  # the step of each report, and below what its gauges said
    _gauges: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in GAUGES})

    def add(self, stored: Iterable[Stored]) -> None:
        for item in stored:
            self.seq = item.seq
            self._fold(item.event)
            if isinstance(item.event, Resumed):
                self.resumed = item.seq

    def _fold(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
                self._smoothing = smoothing(event.steps_per_epoch)
            case Resumed():
                self._take_back(event)
            case Changed():
                self.changes.append(event)
                self._plan_anew()
            case Steps():
                self.last, self.stage = event, None
                self._recent.append(event)
                self._loss += event.loss
                self._accuracy += event.accuracy
                _smooth_on(self._smooth_loss, event.loss, self._smoothing)
                _smooth_on(self._smooth_accuracy, event.accuracy, self._smoothing)
                self._reported.append(event.step)
                for name, values in self._gauges.items():
                    values.append(getattr(event, name))
            case Epoch():
                self.epochs.append(event)
                self.stage = None
            case Probed():
                if self.probed and self.probed[-1].epoch == event.epoch:  # asked again after a resumption at the epoch's end
                    self.probed.pop()
                self.probed.append(event)
            case Progress():
                self.stage = event
            case Note():
                if event.text not in self.notes:  # a resumed run loads its images again
                    self.notes.append(event.text)
            case Finished():
                self.finished, self.stage = event, None

    def _take_back(self, place: Resumed) -> None:
        """Forget what was reported after the checkpoint that training goes on from: it will be reported again."""
        for curve in (self._loss, self._accuracy, self._smooth_loss, self._smooth_accuracy):
            del curve[place.step :]
        reports = bisect_right(self._reported, place.step)
        for values in (self._reported, *self._gauges.values()):
            del values[reports:]
        self.epochs = [epoch for epoch in self.epochs if epoch.epoch <= place.epoch]
        self.changes = [change for change in self.changes if change.step <= place.step]
        self.probed = [probed for probed in self.probed if probed.epoch <= place.epoch]
        self._plan_anew()
        self._recent.clear()
        self.stage = None
        if self.last and self.last.step > place.step:
            self.last = replace(self.last, step=place.step) if place.step else None

    def _plan_anew(self) -> None:
        """Count on as many epochs as the last change asks for."""
        asked = [change.settings["epochs"] for change in self.changes if "epochs" in change.settings]
        if asked and self.started:
            self.started = replace(self.started, epochs=asked[-1])

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    @property
    def losses(self) -> list[float]:
        """The training loss of every step."""
        return self._loss

    def gauge(self, name: str) -> tuple[list[int], list[float | None]]:
        """The step of every report, and what it said of `name`, one of GAUGES."""
        return self._reported, self._gauges[name]

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the pace so far, validation included; None before the first report."""
        if not (self.started and self.last):
            return None
        total = self.started.steps_per_epoch * self.started.epochs
        return (total - self.last.step) * self.last.seconds / self.last.step

    @property
    def images_per_second(self) -> float | None:
        """The speed of training alone: of the last few seconds, of the whole run once it is finished, None before the first report."""
        if not self.last:
            return None
        first = self._recent[0] if self._recent else self.last
        if self.finished or first is self.last:
            return self.last.images / self.last.train_seconds
        return (self.last.images - first.images) / (self.last.train_seconds - first.train_seconds)

    def snapshot(self) -> dict[str, Any]:
        """Everything drawn so far in at most SNAPSHOT_POINTS points a curve: what a page that has nothing yet is sent."""
        return {
            "reset": True,
            "steps": self._columns(0, SNAPSHOT_POINTS),
            "smooth": self._smooth_columns(0, SNAPSHOT_POINTS // 2),
            "gauges": self._gauge_columns(0, SNAPSHOT_POINTS // 4),
            "epochs": [_epoch(e) for e in self.epochs],
            **self._facts(),
        }

    def update(self, since: "Mark") -> dict[str, Any]:
        """What came after `since`, in at most UPDATE_POINTS points a curve."""
        return {
            "reset": False,
            "steps": self._columns(since.steps, UPDATE_POINTS),
            "smooth": self._smooth_columns(since.steps, UPDATE_POINTS // 4),
            "gauges": self._gauge_columns(since.reports, UPDATE_POINTS // 4),
            "epochs": [_epoch(e) for e in self.epochs[since.epochs :]],
            **self._facts(),
        }

    def mark(self) -> "Mark":
        """How far this history has come, for a later `update`."""
        return Mark(self.seq, len(self._loss), len(self.epochs), len(self._reported))

    def _columns(self, since: int, limit: int) -> dict[str, dict[str, list[float]]]:
        return {name: _thinned(values, since, limit) for name, values in (("loss", self._loss), ("accuracy", self._accuracy))}

    def _smooth_columns(self, since: int, limit: int) -> dict[str, dict[str, list[float]]]:
        curves = (("loss", self._smooth_loss), ("accuracy", self._smooth_accuracy))
        return {name: _thinned(values, since, limit) for name, values in curves}

    def _gauge_columns(self, since: int, limit: int) -> dict[str, dict[str, list[float]]]:
        steps, columns = np.asarray(self._reported[since:], dtype=np.int64), {}
        for name, values in self._gauges.items():
            known = np.asarray(values[since:], dtype=np.float64)  # None becomes NaN
            has_value = np.isfinite(known)
            xs, ys = decimate(steps[has_value], known[has_value], limit)
            columns[name] = {"x": xs.tolist(), "y": [float(f"{y:.4g}") for y in ys]}
        return columns

    def _facts(self) -> dict[str, Any]:
        best = self.best
        return {
            "seq": self.seq,
            "step": self.last.step if self.last else 0,
            "at": self.last.at if self.last else None,
            "steps_total": self.started.steps_per_epoch * self.started.epochs if self.started else 0,
            "epochs_done": len(self.epochs),
            "epochs_total": self.started.epochs if self.started else 0,
            "images_per_second": self.images_per_second,
            "seconds_left": self.seconds_left,
            "best": _epoch(best) if best else None,
            "patience": self.started.patience if self.started else 0,
            "waited": self.epochs[-1].waited if self.epochs else 0,
            "stage": asdict(self.stage) if self.stage else None,
            "classes": list(self.started.classes) if self.started else [],
            "changes": [{"step": change.step, "text": _in_words(change)} for change in self.changes],
        }


def _thinned(values: list[float], since: int, limit: int) -> dict[str, list[float]]:
    """The values of the steps after step `since`, as columns for a chart."""
    xs, ys = decimate(np.arange(since + 1, len(values) + 1), np.asarray(values[since:]), limit)
    return {"x": xs.tolist(), "y": ys.round(5).tolist()}


def smoothing(steps_per_epoch: int) -> float:
    """How much a step counts in the smoothed curves, compared with the next one."""
    least, most = SMOOTH_STEPS
    return 1 - 1 / min(most, max(least, SMOOTH_EPOCHS * steps_per_epoch))


def _smooth_on(smooth: list[float], values: Iterable[float], share: float) -> None:
    """Continue a running mean in which every step counts `share` times as the next, without its bias towards zero at the start."""
    count = len(smooth)
    total = smooth[-1] * (1 - share**count) if smooth else 0.0
    for value in values:
        count += 1
        total = share * total + (1 - share) * value
        smooth.append(total / (1 - share**count))


@dataclass(frozen=True)
class Mark:
    """A place in a history: events, step points, epochs and reports seen."""

    seq: int
    steps: int
    epochs: int
    reports: int


def _in_words(change: Changed) -> str:
    """What was changed: "Learning rate 0.001, epochs 30"."""
    parts = [f"{TrainConfig.model_fields[name].title.lower()} {value}" for name, value in change.settings.items()]
    return ", ".join(parts).capitalize()


def _epoch(epoch: Epoch) -> dict[str, Any]:
    """The epoch for a chart, where a line for each class can be told apart only among few."""
    drawn = asdict(epoch)
    return drawn if len(epoch.class_accuracy) <= MOST_CLASSES else drawn | {"class_accuracy": ()}


def summarise(history: History) -> dict[str, Any]:
    """The figures of a run as the command line and tables show them; None where there is none (yet).

    train_seconds and images_per_second are of training alone; accuracies are shares in 0..1.
    """
    last, best, finished, started = history.last, history.best, history.finished, history.started
    return {
        "epochs": len(history.epochs),
        "best_epoch": best.epoch if best else None,
        "best_val_accuracy": best.val_accuracy if best else None,
        "test_accuracy": finished.test_accuracy if finished else None,
        "test_loss": finished.test_loss if finished else None,
        "train_seconds": round(last.train_seconds, 3) if last else 0.0,
        "images_per_second": round(last.images / last.train_seconds, 1) if last else None,
        "device": started.device if started else None,
        "parameters": started.parameters if started else None,
    }
