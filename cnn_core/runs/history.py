"""A run's events folded into columns for charts, and into the summary of the run. In: stored events. Out: plain values for JSON.

Columns are of bounded length: min/max decimation keeps the lowest and the highest point of every stretch of the x axis, so a
chart of a million steps shows the same envelope as the full one. What rules look at step by step is kept of the newest steps only; whoever
only draws lets go of it. So a history grows with the epochs alone. Importing this module does not import torch.
"""

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from cnn_core.config.schema import TrainConfig
from cnn_core.events import Changed, Epoch, Event, Finished, Note, Probed, Progress, Resumed, Started, Steps
from cnn_core.runs.curve import CURVE_POINTS, Curve, decimate
from cnn_core.runs.event_log import StoredEvent

SNAPSHOT_POINTS = CURVE_POINTS
UPDATE_POINTS = 200
MEASURES = ("loss", "accuracy")  # what a report says of each of its steps
GAUGES = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load")  # what a report says once, whatever its steps
DIAGNOSED = ("learning_rate", "gradient_norm")  # the report values that the diagnostics read report by report
DIAGNOSED_STEPS, FIRST_STEPS = 50_000, 5  # newest steps that the diagnostics read (up to twice as many are kept), and first steps
MAX_CLASSES = 20
PACE_REPORTS = 20  # reports that the shown speed is a mean of: about five seconds


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
    _recent: deque[list[float]] = field(default_factory=lambda: deque(maxlen=PACE_REPORTS + 1))
    _steps: dict[str, Curve] = field(default_factory=lambda: _curves(MEASURES))
    _gauges: dict[str, Curve] = field(default_factory=lambda: _curves(GAUGES))
    _first: array = field(default_factory=lambda: array("f"))  # losses of the first steps
    _losses: array = field(default_factory=lambda: array("f"))  # of every step after `ruled_after`
    ruled_after: int = 0
    _reported: array = field(default_factory=lambda: array("I"))  # the step of each report, and below what it said of the gauges
    _ruled: dict[str, array] = field(default_factory=lambda: {name: array("f") for name in DIAGNOSED})
    _is_ruled: bool = True

    def add(self, stored: Iterable[StoredEvent]) -> None:
        for item in stored:
            self.seq = item.seq
            self._fold(item.event)
            if isinstance(item.event, Resumed):
                self.resumed = item.seq

    def _fold(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
            case Resumed():
                self._take_back(event)
            case Changed():
                self.changes.append(event)
                self._plan_anew()
            case Steps():
                self.last, self.stage = event, None
                self._recent.append([event.images, event.train_seconds])
                self._draw_on(event)
                self._first.extend(event.loss[: FIRST_STEPS - len(self._first)])
                if self._is_ruled:
                    self._keep_for_rules(event)
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

    def _draw_on(self, event: Steps) -> None:
        """Continue the curves."""
        before = event.step - len(event.loss)
        steps = range(before + 1, event.step + 1)
        for name, curve in self._steps.items():
            curve.extend(steps, getattr(event, name))
        for name, curve in self._gauges.items():
            if (value := getattr(event, name)) is not None:
                curve.extend((event.step,), (value,))

    def _keep_for_rules(self, event: Steps) -> None:
        self._losses.extend(event.loss)
        self._reported.append(event.step)
        for name, values in self._ruled.items():
            known = getattr(event, name)
            values.append(math.nan if known is None else known)
        if len(self._losses) >= 2 * DIAGNOSED_STEPS:
            old = len(self._losses) - DIAGNOSED_STEPS
            self.ruled_after += old
            del self._losses[:old]
            reports = bisect_right(self._reported, self.ruled_after)
            for values in (self._reported, *self._ruled.values()):
                del values[:reports]

    def _take_back(self, place: Resumed) -> None:
        """Forget what was reported after the checkpoint that training goes on from: it will be reported again."""
        for curve in (*self._steps.values(), *self._gauges.values()):
            curve.truncate(place.step)
        reports = bisect_right(self._reported, place.step)
        del self._first[place.step :]
        del self._losses[max(0, place.step - self.ruled_after) :]
        self.ruled_after = min(self.ruled_after, place.step)
        for values in (self._reported, *self._ruled.values()):
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
    def losses(self) -> array:
        """The training loss of every step after `ruled_after`."""
        assert self._is_ruled, "its steps were let go of"
        return self._losses

    @property
    def first_losses(self) -> array:
        """The training losses of the first FIRST_STEPS steps."""
        return self._first

    def gauge(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The step of every report after step `ruled_after`, and what it said of `name`, one of RULED, NaN where it could not tell: views,
        to be let go of before more is added."""
        assert self._is_ruled, "its steps were let go of"
        return np.asarray(self._reported), np.asarray(self._ruled[name])

    def drop_steps(self) -> None:
        """Keep what is drawn, and no longer what only rules look at: `losses` and `gauge` are then no more."""
        self._is_ruled = False
        for values in (self._losses, self._reported, *self._ruled.values()):
            del values[:]

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
        if self.finished or len(self._recent) < 2:
            return self.last.images / self.last.train_seconds
        images, seconds = self._recent[0]
        return (self.last.images - images) / (self.last.train_seconds - seconds)

    def snapshot(self) -> dict[str, Any]:
        """Everything drawn so far in at most SNAPSHOT_POINTS points a curve: what a page that has nothing yet is sent."""
        return {
            "reset": True,
            "classes": self._class_names(),
            "steps": {name: _column(*curve.envelope(SNAPSHOT_POINTS)) for name, curve in self._steps.items()},
            "means": {name: _mean_column(curve.means(SNAPSHOT_POINTS)) for name, curve in self._steps.items()},
            "gauges": {name: _gauge_column(*curve.envelope(SNAPSHOT_POINTS // 4)) for name, curve in self._gauges.items()},
            "epochs": [_epoch(e) for e in self.epochs],
            **self._facts(),
        }

    def update(self, since: "HistoryPosition") -> dict[str, Any]:
        """What came after `since`, in at most UPDATE_POINTS points a curve."""
        return {
            "reset": False,
            "classes": self._class_names() if not since.steps else None,  # known before the first step, and then told
            "steps": {name: _column(*decimate(*curve.points(since.steps), UPDATE_POINTS)) for name, curve in self._steps.items()},
            "means": {name: _mean_column(curve.means(UPDATE_POINTS, since.steps)) for name, curve in self._steps.items()},
            "gauges": {
                name: _gauge_column(*decimate(*c.points(since.steps), UPDATE_POINTS // 4)) for name, c in self._gauges.items()
            },
            "epochs": [_epoch(e) for e in self.epochs[since.epochs :]],
            **self._facts(),
        }

    def _class_names(self) -> list[str] | None:
        return list(self.started.classes) if self.started else None

    def mark(self) -> "HistoryPosition":
        """How far this history has come, for a later `update`."""
        return HistoryPosition(self.seq, self.last.step if self.last else 0, len(self.epochs))

    def _facts(self) -> dict[str, Any]:
        best = self.best
        return {
            "seq": self.seq,
            "step": self.last.step if self.last else 0,
            "at": self.last.at if self.last else None,
            "seconds": self.last.seconds if self.last else 0,
            "steps_total": self.started.steps_per_epoch * self.started.epochs if self.started else 0,
            "epochs_done": len(self.epochs),
            "epochs_total": self.started.epochs if self.started else 0,
            "images_per_second": self.images_per_second,
            "seconds_left": self.seconds_left,
            "best": _epoch(best) if best else None,
            "patience": self.started.patience if self.started else 0,
            "waited": self.epochs[-1].waited if self.epochs else 0,
            "stage": asdict(self.stage) if self.stage else None,
            "changes": [{"step": change.step, "text": _in_words(change)} for change in self.changes],
        }


def _curves(names: Iterable[str]) -> dict[str, Curve]:
    return {name: Curve() for name in names}


def _column(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    return {"x": x.astype(np.int64).tolist(), "y": y.round(5).tolist()}


def _mean_column(means: tuple[np.ndarray, np.ndarray] | None) -> dict[str, list[float]] | None:
    return _column(*means) if means else None


def _gauge_column(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    return {"x": x.astype(np.int64).tolist(), "y": [float(f"{value:.4g}") for value in y]}


@dataclass(frozen=True)
class HistoryPosition:
    """A place in a history: events, steps and epochs seen."""

    seq: int
    steps: int
    epochs: int


def _in_words(change: Changed) -> str:
    """What was changed: "Learning rate 0.001, epochs 30"."""
    parts = [f"{TrainConfig.model_fields[name].title.lower()} {value}" for name, value in change.settings.items()]
    return ", ".join(parts).capitalize()


def _epoch(epoch: Epoch) -> dict[str, Any]:
    """The epoch for a chart, where a line for each class can be told apart only among few."""
    drawn = asdict(epoch)
    return drawn if len(epoch.class_accuracy) <= MAX_CLASSES else drawn | {"class_accuracy": ()}


def summarise_history(history: History) -> dict[str, Any]:
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
