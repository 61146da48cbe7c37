"""`python -m cnn_core evaluate RUN`: evaluate a run's model on one split of its images; print, export and report the metrics.

--split  val (the default), test or train              --csv     a row for every image (see `metrics.prediction_table`)
--epoch  the model after a saved epoch, not the best   --report  one HTML file (see `report.run_report`)

As on the Evaluate page, the test set is used only where it is asked for: it is for the final model, and each use is recorded.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import run_with_progress
from cnn_core.data.source import SPLITS, Split
from cnn_core.errors import StudioError
from cnn_core.files import write_atomically
from cnn_core.runs.out_of_fold import describe_out_of_fold
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import format_loss, format_percent

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

SPLIT_HELP = (
    "the split to evaluate on (default val); test is for the final model, and evaluating a model on the test images is recorded"
)
METRICS = ("class", "precision", "recall", "f1", "support")


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument("--split", "--part", choices=SPLITS, default="val", help=SPLIT_HELP)
    parser.add_argument("--epoch", type=int, metavar="N", help="the model after this saved epoch (default: the best model)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the prediction for every image as a table")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report: one self-contained HTML file")


def run_evaluate_command(args: argparse.Namespace, store: Store, run: Run) -> CommandResult:
    """Evaluate the run's model. Evaluating on test images is recorded as a use of the test set. Raises StudioError."""
    from cnn_core.metrics.evaluated_models import record_usage
    from cnn_core.metrics.evaluation import evaluate_run

    evaluation = run_with_progress(evaluate_run(run.id, run.config, store.home, split=args.split, epoch=args.epoch))
    if args.split == "test":
        record_usage(store.home, run.config.data, run.id, args.epoch)
    files = _write_files(args, store, run, evaluation)
    estimate = {name: run.summary[name] for name in ("out_of_fold_accuracy", "out_of_fold_images") if name in run.summary}
    result = (
        _metrics(run.id, evaluation, args.split, args.epoch)
        | (estimate if args.split == "val" and args.epoch is None else {})
        | files
    )
    estimates = describe_out_of_fold(run.summary) if args.split == "val" and args.epoch is None else []
    return CommandResult(
        result, "\n".join([_describe(result, args.split), *estimates, *(f"{name}: {file}" for name, file in files.items())])
    )


def _metrics(run: str, evaluation: "Evaluation", split: Split, epoch: int | None) -> dict[str, Any]:
    """Return the metrics; accuracy and loss are named after the split: test_accuracy, val_loss."""
    metrics = evaluation.per_class
    columns = (evaluation.classes, *(column.tolist() for column in (*metrics.measured, metrics.support)))
    return {
        "run": run,
        "part": split,
        "epoch": epoch,
        f"{split}_accuracy": evaluation.accuracy,
        f"{split}_loss": evaluation.loss,
        "images": len(evaluation),
        "classes": [dict(zip(METRICS, row, strict=True)) for row in zip(*columns, strict=True)],
        "confusion": evaluation.confusion.tolist(),
    }


def _describe(result: dict[str, Any], split: Split) -> str:
    from cnn_core.metrics.evaluation import SPLIT_NAMES

    epoch = f" after epoch {result['epoch']}" if result["epoch"] is not None else ""
    lines = [
        f"{result['run']}{epoch}: accuracy {result[f'{split}_accuracy']:.2%}, loss {format_loss(result[f'{split}_loss'])} "
        f"on {result['images']:,} {SPLIT_NAMES[split]} images",
        "",
        f"{'class':<20} precision  recall      F1  images",
    ]
    lines += [
        f"{c['class'][:20]:<20} {format_percent(c['precision']):>9} {format_percent(c['recall']):>7} {format_percent(c['f1']):>7} {c['support']:>7,}"
        for c in result["classes"]
    ]
    return "\n".join(lines)


def _write_files(args: argparse.Namespace, store: Store, run: Run, evaluation: "Evaluation") -> dict[str, str]:
    """Write the files that --csv and --report name; return their paths by option."""
    if not args.csv and not args.report:
        return {}
    from cnn_core.config.images import open_images
    from cnn_core.data.imported import ImportedSource, OnDemandSource, image_names
    from cnn_core.metrics.evaluation import load_split
    from cnn_core.metrics.prediction_table import write_predictions
    from cnn_core.report.run_report import report_run

    source = open_images(run.config, store.home)
    images = run_with_progress(load_split(source, run.config, args.split))
    if args.csv:
        assert isinstance(source, ImportedSource | OnDemandSource), "every kind of data set is one of these"
        names = image_names(source, images)
        _write(args.csv, "--csv", lambda file: run_with_progress(write_predictions(evaluation, names, file)))
    if args.report:
        text = run_with_progress(report_run(store, run, evaluation, images, split=args.split, epoch=args.epoch))
        _write(args.report, "--report", lambda file: file.write(text.encode()))
    return {name: str(file) for name, file in (("csv", args.csv), ("report", args.report)) if file}


def _write(path: Path, option: str, write: Callable[[BinaryIO], object]) -> None:
    try:
        write_atomically(path, write)
    except OSError as error:
        raise StudioError(f"{path} cannot be written ({error.strerror or error}). Choose another file with {option}.") from None
