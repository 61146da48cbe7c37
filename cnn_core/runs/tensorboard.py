"""A run as an event file for TensorBoard. In: the events of a run. Out: records in an open file, and the steps written.

    step/loss, step/accuracy                          every step
    report/learning_rate, images_per_second, …        every report, by its last step
    epoch/train_loss, train_accuracy, val_loss, …     every epoch, by its number
    settings                                          a table, as text

The records are written here, in TensorFlow's record format: tensorboardX's writer, with a queue and a thread, took four times as long (5,000
steps: 0.51 s, here 0.12 s) and cannot write into a zip. Importing this module does not import torch; writing does, through tensorboardX.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from cnn_core.config.schema import settings_in_effect
from cnn_core.events import Epoch, Steps
from cnn_core.runs.event_reader import EventReader, steps_of
from cnn_core.runs.run import Run

EPOCH_METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
REPORT_METRICS = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load")


def event_file_name(run: Run) -> str:
    """Return the name that TensorBoard expects."""
    return f"events.out.tfevents.{run.created:.0f}.{run.id}"


def write_event_file(file: IO[bytes], run: Run, reader: EventReader) -> Iterator[int]:
    """Write the records; yield the step after each report."""
    events = EventFile(file, run.created)
    events.add_text("settings", _settings_table(run), run.created)
    before, epochs = None, deque(reader.epochs())
    for report in reader.reports():
        _add_report(events, report, before)
        while epochs and epochs[0].step <= report.step:
            epoch = epochs.popleft()
            _add_epoch(events, epoch, report.at + epoch.seconds - report.seconds)
        before = report
        yield report.step
    for epoch in epochs:
        _add_epoch(events, epoch, run.created + epoch.seconds)


def _add_report(events: "EventFile", report: Steps, before: Steps | None) -> None:
    """Add a report. It has the time of its last step; the other steps are spread evenly over the time it took."""
    seconds = max(0.0, report.train_seconds - (before.train_seconds if before else 0.0))
    for left, (step, loss, accuracy) in zip(range(len(report.loss) - 1, -1, -1), steps_of(report), strict=True):
        events.add({"step/loss": loss, "step/accuracy": accuracy}, step, report.at - seconds * left / len(report.loss))
    values = {f"report/{name}": getattr(report, name) for name in REPORT_METRICS}
    events.add({tag: value for tag, value in values.items() if value is not None}, report.step, report.at)


def _add_epoch(events: "EventFile", epoch: Epoch, at: float) -> None:
    events.add({f"epoch/{name}": getattr(epoch, name) for name in EPOCH_METRICS}, epoch.epoch, at)


def _settings_table(run: Run) -> str:
    rows = [f"| {name} | {value} |" for name, value in settings_in_effect(run.config).items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows])


@dataclass
class EventFile:
    """An open file of event records: length, bytes, and a checksum of each. `began`: Unix seconds."""

    file: IO[bytes]
    began: float

    def __post_init__(self) -> None:
        self._write(wall_time=self.began, file_version="brain.Event:2")

    def add(self, scalars: Mapping[str, float], step: int, at: float) -> None:
        """Add a point to the curve of each tag; `at` in Unix seconds."""
        from tensorboardX.proto.summary_pb2 import Summary

        values: Iterable[Any] = (Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items())
        self._write(wall_time=at, step=step, summary=Summary(value=values))

    def add_text(self, tag: str, text: str, at: float) -> None:
        """Add a text; `at` in Unix seconds."""
        from tensorboardX.summary import text as as_summary

        self._write(wall_time=at, summary=as_summary(tag, text))

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

        data = Event(**fields).SerializeToString()
        length = struct.pack("<Q", len(data))
        self.file.write(length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data)))
