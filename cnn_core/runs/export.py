"""Runs to take along, as one zip: tables for a spreadsheet (CSV), everything for a program (JSON), or event files for TensorBoard.

In: a store and runs. Out: a zip file, written a piece at a time, with Progress on the way.

    csv          runs.csv (one row a run: settings and figures) and for each run <run>/epochs.csv, reports.csv, steps.csv
    json         <run>.json: settings, figures, epochs, reports and steps
    tensorboard  <run>/events.out.tfevents…: `tensorboard --logdir` on the unpacked folder shows them

Units are those of `events`. Importing this module does not import torch.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from cnn_core.config import TrainConfig
from cnn_core.events import Progress, Steps
from cnn_core.runs.store import Run, Store
from cnn_core.runs.told import Told

REPORT_FIGURES = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load", "train_seconds", "seconds", "at")
EPOCH_FIGURES = (
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
DRAWN_EPOCH_FIGURES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
DRAWN_REPORT_FIGURES = ("learning_rate", "images_per_second", "gradient_norm", "memory", "load")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula


def export_runs(store: Store, runs: Sequence[Run], form: str, file: BinaryIO) -> Generator[Progress, None, None]:
    """Write the zip of `runs` in `form`, one of FORMS, to `file`. Raises StudioError."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if form == "csv":
            with _table(archive, "runs.csv") as write:
                _write_overview(write, runs)
        for done, run in enumerate(runs):
            yield Progress(f"Writing {run.id}", done, len(runs))
            FORMS[form](archive, run, Told(store, run.id))


def _write_csv(archive: zipfile.ZipFile, run: Run, told: Told) -> None:
    epochs = told.epochs()
    classes = max((len(epoch.class_accuracy) for epoch in epochs), default=0)
    with _table(archive, f"{run.id}/epochs.csv") as write:
        write([*EPOCH_FIGURES, *(f"class_accuracy_{number}" for number in range(classes))])
        for epoch in epochs:
            write([*(getattr(epoch, name) for name in EPOCH_FIGURES), *epoch.class_accuracy])
    with _table(archive, f"{run.id}/reports.csv") as write:
        write(["step", "epoch", *REPORT_FIGURES])
        for report in told.reports():
            write([report.step, report.epoch, *(getattr(report, name) for name in REPORT_FIGURES)])
    with _table(archive, f"{run.id}/steps.csv") as write:
        write(["step", "epoch", "loss", "accuracy"])
        for report in told.reports():
            for step, loss, accuracy in _steps(report):
                write([step, report.epoch, loss, accuracy])


def _write_overview(write: Callable[[Iterable[Any]], None], runs: Sequence[Run]) -> None:
    figures = list(dict.fromkeys(name for run in runs for name in run.summary))
    settings = list(TrainConfig.model_fields)
    write(["run", "name", "status", "tags", "notes", "parent", "parent_epoch", *settings, *figures])
    for run in runs:
        own = [run.id, run.name, run.status, ", ".join(run.tags), run.notes, run.parent, run.parent_epoch]
        write([*own, *(getattr(run.config, name) for name in settings), *(run.summary.get(name) for name in figures)])


def _write_json(archive: zipfile.ZipFile, run: Run, told: Told) -> None:
    """One object, its long lists written as they are read."""
    facts = {
        name: getattr(run, name)
        for name in ("id", "name", "status", "notes", "tags", "parent", "parent_epoch", "created", "summary")
    }
    facts |= {"settings": run.config.model_dump(), "changes": [asdict(change) for change in told.changes()]}
    facts |= {"epochs": [asdict(epoch) for epoch in told.epochs()]}
    with archive.open(f"{run.id}.json", "w", force_zip64=True) as raw, io.TextIOWrapper(raw, encoding="utf-8") as text:
        text.write(json.dumps(facts, allow_nan=False)[:-1])
        text.write(', "reports": [')
        text.writelines(_comma_separated(_report_facts(report) for report in told.reports()))
        text.write("]}\n")


def _report_facts(report: Steps) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if value is not None}


def _comma_separated(values: Iterable[Any]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield (",\n" if number else "") + json.dumps(value, allow_nan=False)


def _write_tensorboard(archive: zipfile.ZipFile, run: Run, told: Told) -> None:
    from tensorboardX import SummaryWriter

    with TemporaryDirectory() as folder:
        with SummaryWriter(folder, flush_secs=10**6) as writer:
            writer.add_text("settings", _as_markdown(run), 0, walltime=run.created)
            began = run.created
            for report in told.reports():
                began = report.at - report.seconds
                _add_report(writer, report)
            for epoch in told.epochs():
                for name in DRAWN_EPOCH_FIGURES:
                    writer.add_scalar(f"epoch/{name}", getattr(epoch, name), epoch.epoch, walltime=began + epoch.seconds)
        for path in sorted(Path(folder).iterdir()):
            archive.write(path, f"{run.id}/{path.name}")


def _add_report(writer: Any, report: Steps) -> None:
    for step, loss, accuracy in _steps(report):
        writer.add_scalar("step/loss", loss, step, walltime=report.at)
        writer.add_scalar("step/accuracy", accuracy, step, walltime=report.at)
    for name in DRAWN_REPORT_FIGURES:
        if (value := getattr(report, name)) is not None:
            writer.add_scalar(f"report/{name}", value, report.step, walltime=report.at)


def _as_markdown(run: Run) -> str:
    rows = [f"| {name} | {value} |" for name, value in run.config.model_dump().items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows])


def _steps(report: Steps) -> Iterator[tuple[int, float, float]]:
    """Step, loss and accuracy of every step of a report."""
    first = report.step - len(report.loss) + 1
    return zip(range(first, report.step + 1), report.loss, report.accuracy, strict=True)


@contextmanager
def _table(archive: zipfile.ZipFile, name: str) -> Iterator[Callable[[Iterable[Any]], None]]:
    """A CSV file in the archive; gives what writes a row to it."""
    with archive.open(name, "w", force_zip64=True) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        yield lambda row: writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may open it: no text of a person's own is taken for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


FORMS: dict[str, Callable[[zipfile.ZipFile, Run, Told], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "tensorboard": _write_tensorboard,
}
