"""A run's events as columns for charts and as the summary of the run. In: stored events. Out: plain values for JSON.

Columns have a bounded length: min/max decimation keeps the lowest and the highest point of every interval of the x axis, so a chart of a million
steps shows the same envelope as the full one. The values of single steps that the diagnostics need are stored for the newest steps only, or not
at all (`drop_steps`). So the size of a history depends only on the number of epochs. Importing this module does not import torch.
"""

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_core.events import (
    Changed,
    Epoch,
    Event,
    Finished,
    Note,
    Progress,
    Resumed,
    StageStarted,
    Started,
    Steps,
    TrackedPredictions,
)
from cnn_core.runs.chart_columns import column, describe_change, describe_trained, epoch_values, mean_column, report_column
from cnn_core.runs.curve import CURVE_POINTS, Curve, decimate
from cnn_core.runs.event_log import StoredEvent

SNAPSHOT_POINTS = CURVE_POINTS
UPDATE_POINTS = 200
MEASURES = ("loss", "accuracy")  # values that a report has for each of its steps
GAUGES = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load")  # values that a report has once
DIAGNOSED = ("learning_rate", "gradient_norm")  # the report values that the diagnostics read report by report
DIAGNOSED_STEPS = 50_000  # newest steps that the diagnostics read (up to twice as many are stored)
FIRST_STEPS = 5
PACE_REPORTS = 20  # reports over which the shown speed is averaged: about five seconds


@dataclass(frozen=True)
class HistoryPosition:
    """A position in a history: sequence number of the last event, last step, number of epochs."""

    seq: int
    steps: int
    epochs: int


@dataclass
class History:
    """The state of a run according to its events so far. `add` adds new events; `snapshot` and `update` return the payloads of the live chart.

    resumed: sequence number of the last resume; points that were sent before it may have been repeated since.
    """

    seq: int = 0
    started: Started | None = None
    finished: Finished | None = None
    stage: Progress | None = None
    trained: StageStarted | None = None
    last: Steps | None = None
    epochs: list[Epoch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    tracked: list[TrackedPredictions] = field(default_factory=list)
    resumed: int = 0
    _pace_from: list[float] = field(default_factory=lambda: [0, 0.0])  # step, seconds: of a stage's first report, empty before it
    _recent: deque[list[float]] = field(default_factory=lambda: deque(maxlen=PACE_REPORTS + 1))
    _steps: dict[str, Curve] = field(default_factory=lambda: _curves(MEASURES))
    _gauges: dict[str, Curve] = field(default_factory=lambda: _curves(GAUGES))
    _first: "array[float]" = field(default_factory=lambda: array("f"))  # losses of the first steps
    _losses: "array[float]" = field(default_factory=lambda: array("f"))  # of every step after `diagnosed_after`
    diagnosed_after: int = 0
    _reported: "array[int]" = field(default_factory=lambda: array("I"))  # the step of each report
    _diagnosed: "dict[str, array[float]]" = field(default_factory=lambda: {name: array("f") for name in DIAGNOSED})
    _has_steps: bool = True

    def add(self, stored: Iterable[StoredEvent]) -> None:
        """Add new events in order."""
        for item in stored:
            self.seq = item.seq
            self._add_event(item.event)
            if isinstance(item.event, Resumed):
                self.resumed = item.seq

    def _add_event(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
            case StageStarted():
                self.trained, self._pace_from = event, []
            case Resumed():
                self._truncate_to(event)
            case Changed():
                self.changes.append(event)
                self._update_planned_epochs()
            case Steps():
                if not self._pace_from:  # what is prepared before a stage, as features, is not part of its pace
                    self._pace_from = [event.step, event.seconds]
                self.last, self.stage = event, None
                self._recent.append([event.images, event.train_seconds])
                self._extend_curves(event)
                self._first.extend(event.loss[: FIRST_STEPS - len(self._first)])
                if self._has_steps:
                    self._add_diagnosed(event)
            case Epoch():
                self.epochs.append(event)
                self.stage = None
            case TrackedPredictions():
                if self.tracked and self.tracked[-1].epoch == event.epoch:  # repeated after a resume at the end of the epoch
                    self.tracked.pop()
                self.tracked.append(event)
            case Progress():
                self.stage = event
            case Note():
                if event.text not in self.notes:  # a resumed run loads its images again
                    self.notes.append(event.text)
            case Finished():
                self.finished, self.stage = event, None

    def _extend_curves(self, event: Steps) -> None:
        """Add the values of a report to the curves."""
        before = event.step - len(event.loss)
        steps = range(before + 1, event.step + 1)
        for name, curve in self._steps.items():
            curve.extend(steps, getattr(event, name))
        for name, curve in self._gauges.items():
            if (value := getattr(event, name)) is not None:
                curve.extend((event.step,), (value,))

    def _add_diagnosed(self, event: Steps) -> None:
        self._losses.extend(event.loss)
        self._reported.append(event.step)
        for name, values in self._diagnosed.items():
            value = getattr(event, name)
            values.append(math.nan if value is None else value)
        if len(self._losses) >= 2 * DIAGNOSED_STEPS:
            old = len(self._losses) - DIAGNOSED_STEPS
            self.diagnosed_after += old
            del self._losses[:old]
            self._delete_reports(slice(None, bisect_right(self._reported, self.diagnosed_after)))

    def _delete_reports(self, reports: slice) -> None:
        """Delete the values of these reports that the diagnostics read."""
        del self._reported[reports]
        for values in self._diagnosed.values():
            del values[reports]

    def _truncate_to(self, checkpoint: Resumed) -> None:
        """Remove what was reported after the checkpoint from which training was resumed: those steps are trained and reported again."""
        for curve in (*self._steps.values(), *self._gauges.values()):
            curve.truncate(checkpoint.step)
        del self._first[checkpoint.step :]
        del self._losses[max(0, checkpoint.step - self.diagnosed_after) :]
        self.diagnosed_after = min(self.diagnosed_after, checkpoint.step)
        self._delete_reports(slice(bisect_right(self._reported, checkpoint.step), None))
        self.epochs = [epoch for epoch in self.epochs if epoch.epoch <= checkpoint.epoch]
        self.changes = [change for change in self.changes if change.step <= checkpoint.step]
        self.tracked = [predictions for predictions in self.tracked if predictions.epoch <= checkpoint.epoch]
        self._update_planned_epochs()
        self._recent.clear()
        self.stage = None
        if self._pace_from and self._pace_from[0] >= checkpoint.step:
            self._pace_from = [0, 0.0]
        if self.last and self.last.step > checkpoint.step:
            self.last = replace(self.last, step=checkpoint.step) if checkpoint.step else None

    def _update_planned_epochs(self) -> None:
        """Use the number of epochs of the last change."""
        planned = [change.settings["epochs"] for change in self.changes if "epochs" in change.settings]
        if planned and self.started:
            self.started = replace(self.started, epochs=planned[-1])

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far, whose weights are saved."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    @property
    def losses(self) -> "array[float]":
        """The training loss of every step after `diagnosed_after`."""
        assert self._has_steps, "the steps were dropped"
        return self._losses

    @property
    def first_losses(self) -> "array[float]":
        """The training losses of the first FIRST_STEPS steps."""
        return self._first

    def report_values(self, name: str) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Return step and value of `name` (one of DIAGNOSED, NaN where unknown) of every report after step `diagnosed_after`.

        These are views: release them before events are added.
        """
        assert self._has_steps, "the steps were dropped"
        return np.asarray(self._reported), np.asarray(self._diagnosed[name])

    def drop_steps(self) -> None:
        """Drop the values that only diagnostics need; `losses` and `report_values` are not available afterwards."""
        self._has_steps = False
        del self._losses[:]
        self._delete_reports(slice(None))

    @property
    def epoch(self) -> int:
        """The number of the epoch that the last step belongs to, whether that epoch has ended or not; 0 before the first step."""
        step = self.last.step if self.last else 0
        return math.ceil(step / self.started.steps_per_epoch) if self.started else 0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the last step at the pace of the stage so far, including validation; None before its pace is known."""
        if not (self.started and self.last and self._pace_from):
            return None
        total = self.started.steps_per_epoch * self.started.epochs
        step, seconds = self._pace_from
        if self.last.step <= step:
            return None
        return (total - self.last.step) * (self.last.seconds - seconds) / (self.last.step - step)

    @property
    def images_per_second(self) -> float | None:
        """Speed of training alone, over the last few seconds or over the whole run once it is completed; None before the first report."""
        if not self.last:
            return None
        if self.finished or len(self._recent) < 2:
            return self.last.images / self.last.train_seconds
        images, seconds = self._recent[0]
        return (self.last.images - images) / (self.last.train_seconds - seconds)

    def snapshot(self) -> dict[str, Any]:
        """Return all curves in at most SNAPSHOT_POINTS points each: the first payload of a page."""
        return {
            "reset": True,
            "classes": self._class_names(),
            "steps": {name: column(*curve.envelope(SNAPSHOT_POINTS)) for name, curve in self._steps.items()},
            "means": {name: mean_column(curve.means(SNAPSHOT_POINTS)) for name, curve in self._steps.items()},
            "gauges": {name: report_column(*curve.envelope(SNAPSHOT_POINTS // 4)) for name, curve in self._gauges.items()},
            "epochs": [epoch_values(e) for e in self.epochs],
            **self._status(),
        }

    def update(self, since: HistoryPosition) -> dict[str, Any]:
        """Return what was added after `since`, in at most UPDATE_POINTS points for each curve."""
        return {
            "reset": False,
            "classes": self._class_names() if not since.steps else None,  # known before the first step, and sent then
            "steps": {name: column(*decimate(*curve.points(since.steps), UPDATE_POINTS)) for name, curve in self._steps.items()},
            "means": {name: mean_column(curve.means(UPDATE_POINTS, since.steps)) for name, curve in self._steps.items()},
            "gauges": {
                name: report_column(*decimate(*c.points(since.steps), UPDATE_POINTS // 4)) for name, c in self._gauges.items()
            },
            "epochs": [epoch_values(e) for e in self.epochs[since.epochs :]],
            **self._status(),
        }

    def _class_names(self) -> list[str] | None:
        return list(self.started.classes) if self.started else None

    def position(self) -> HistoryPosition:
        """Return the end of this history, for a later `update`."""
        return HistoryPosition(self.seq, self.last.step if self.last else 0, len(self.epochs))

    def _status(self) -> dict[str, Any]:
        best = self.best
        return {
            "seq": self.seq,
            "step": self.last.step if self.last else 0,
            "at": self.last.at if self.last else None,
            "seconds": self.last.seconds if self.last else 0,
            "steps_total": self.started.steps_per_epoch * self.started.epochs if self.started else 0,
            "epoch": self.epoch,
            "epochs_done": len(self.epochs),
            "epochs_total": self.started.epochs if self.started else 0,
            "images_per_second": self.images_per_second,
            "seconds_left": self.seconds_left,
            "best": epoch_values(best) if best else None,
            "patience": self.started.patience if self.started else 0,
            "waited": self.epochs[-1].waited if self.epochs else 0,
            "stage": asdict(self.stage) if self.stage else None,
            "trained": describe_trained(self.trained) if self.trained else None,
            "changes": [{"step": change.step, "text": describe_change(change)} for change in self.changes],
        }


def _curves(names: Iterable[str]) -> dict[str, Curve]:
    return {name: Curve() for name in names}
