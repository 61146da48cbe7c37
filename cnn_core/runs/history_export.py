"""Exporting the histories of runs as one zip: tables (CSV), JSON, or event files for TensorBoard.

In: a store and runs. Out: a zip file, written in pieces, and Progress events. The files contain test accuracies, so an export is recorded as a
use of the test set.

    csv          runs.csv (one row a run: settings and metrics) and for each run <run>/epochs.csv, reports.csv, steps.csv
    json         <run>.json: settings, metrics, epochs, reports and steps
    tensorboard  <run>/events.out.tfevents… (see `tensorboard`): `tensorboard --logdir` on the unpacked folder shows them

Units are those of `events`. Importing this module does not import torch.
"""

import io
import json
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, BinaryIO, cast

from cnn_core.config.schema import TrainConfig, settings_in_effect
from cnn_core.events import Progress, Steps
from cnn_core.runs.event_reader import EventReader, steps_of
from cnn_core.runs.final_accuracy import reveal_test_accuracy
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.runs.tensorboard import event_file_name, write_event_file
from cnn_core.tables import WriteRow, csv_table

REPORT_COLUMNS = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load", "train_seconds", "seconds", "at")
EPOCH_COLUMNS = (
    "epoch",
    "step",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "is_best",
    "train_seconds",
    "seconds",
    "dead",
)
PROGRESS_EVERY = 2_000  # reports between two Progress events of one run


def export_runs(store: Store, runs: Sequence[Run], format: str, file: BinaryIO) -> Generator[Progress, None, None]:
    """Write the zip of `runs` in `format`, one of FORMATS, to `file`; yield progress. Raises StudioError."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if format == "csv":
            with _table(archive, "runs.csv") as write:
                _write_overview(write, runs)
        for done, run in enumerate(runs):
            yield Progress(f"Writing {run.id}", done, len(runs))
            reveal_test_accuracy(store, run)
            reader = EventReader(store, run.id)
            for number, step in enumerate(FORMATS[format](archive, run, reader), start=1):
                if not number % PROGRESS_EVERY:  # only a long run takes long
                    yield Progress(f"Writing {run.id}: step {step:,}", step, reader.last_step())


def _write_csv(archive: zipfile.ZipFile, run: Run, reader: EventReader) -> Iterator[int]:
    epochs, classes = reader.epochs(), reader.classes()
    with _table(archive, f"{run.id}/epochs.csv") as write:
        write([*EPOCH_COLUMNS, *(f"accuracy of {name}" for name in classes)])
        for epoch in epochs:
            write([*(getattr(epoch, name) for name in EPOCH_COLUMNS), *epoch.class_accuracy])
    with _table(archive, f"{run.id}/reports.csv") as write:
        write(["step", "epoch", *REPORT_COLUMNS])
        for report in reader.reports():
            write([report.step, report.epoch, *(getattr(report, name) for name in REPORT_COLUMNS)])
            yield report.step
    with _table(archive, f"{run.id}/steps.csv") as write:
        write(["step", "epoch", "loss", "accuracy"])
        for report in reader.reports():
            for step, loss, accuracy in steps_of(report):
                write([step, report.epoch, loss, accuracy])
            yield report.step


def _write_overview(write: WriteRow, runs: Sequence[Run]) -> None:
    metrics = list(dict.fromkeys(name for run in runs for name in run.summary))
    settings = list(TrainConfig.model_fields)
    write(["run", "name", "status", "tags", "notes", "parent", "parent_epoch", *settings, *metrics])
    for run in runs:
        own = [run.id, run.name, run.status, ", ".join(run.tags), run.notes, run.parent, run.parent_epoch]
        chosen = settings_in_effect(run.config)
        write([*own, *(chosen.get(name) for name in settings), *(run.summary.get(name) for name in metrics)])


def _write_json(archive: zipfile.ZipFile, run: Run, reader: EventReader) -> Iterator[int]:
    """Write one JSON object; long lists are written as they are read."""
    values = {
        name: getattr(run, name)
        for name in ("id", "name", "status", "notes", "tags", "parent", "parent_epoch", "created", "summary")
    }
    values |= {"settings": settings_in_effect(run.config), "changes": [asdict(change) for change in reader.changes()]}
    values |= {"classes": reader.classes(), "epochs": [asdict(epoch) for epoch in reader.epochs()]}
    with archive.open(f"{run.id}.json", "w", force_zip64=True) as raw, io.TextIOWrapper(raw, encoding="utf-8") as text:
        text.write(json.dumps(values, allow_nan=False)[:-1])
        text.write(', "reports": [')
        separator = ""
        for report in reader.reports():
            text.write(separator + json.dumps(_report_values(report), allow_nan=False))
            separator = ",\n"
            yield report.step
        text.write("]}\n")


def _report_values(report: Steps) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if value is not None}


def _write_tensorboard(archive: zipfile.ZipFile, run: Run, reader: EventReader) -> Iterator[int]:
    with archive.open(f"{run.id}/{event_file_name(run)}", "w", force_zip64=True) as file:
        yield from write_event_file(file, run, reader)


@contextmanager
def _table(archive: zipfile.ZipFile, name: str) -> Iterator[WriteRow]:
    """Open a CSV file in the archive; the value is the function that writes a row."""
    with archive.open(name, "w", force_zip64=True) as raw, csv_table(cast(BinaryIO, raw)) as write:
        yield write


FORMATS: dict[str, Callable[[zipfile.ZipFile, Run, EventReader], Iterator[int]]] = {
    "csv": _write_csv,
    "json": _write_json,
    "tensorboard": _write_tensorboard,
}
