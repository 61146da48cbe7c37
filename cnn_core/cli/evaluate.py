"""`python -m cnn_core evaluate RUN`: a run's network on one part of its images, in words, as JSON, as a table, and as a report.

--part   test (as told without it), val or train          --csv     a row for every image (see `analysis.predictions`)
--epoch  a kept epoch's network instead of the best one   --report  one HTML file (see `analysis.report`)
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cnn_core.cli.console import follow
from cnn_core.data.source import PARTS, Part
from cnn_core.errors import StudioError
from cnn_core.files import write_atomically
from cnn_core.metrics.evaluation import SPLIT_NAMES
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

FIGURES = ("class", "precision", "recall", "f1", "support")


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", choices=PARTS, default="test", help="the images to measure it on (default test)")
    parser.add_argument("--epoch", type=int, metavar="N", help="the network after this kept epoch (default: the best one)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write what it says of every image as a table")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report: one HTML file that needs nothing else")


def run_evaluate_command(args: argparse.Namespace, store: Store, run: Run) -> tuple[Any, str]:
    """Do what was asked; gives the answer for --json, and in words. Raises StudioError."""
    from cnn_core.metrics.evaluation import evaluate_run
    from cnn_core.metrics.test_set_usage import record_usage

    evaluation = follow(evaluate_run(run.id, run.config, store.home, split=args.part, epoch=args.epoch))
    if args.part == "test":
        record_usage(store.home, run.config.data, run.id, args.epoch)
    files = _write_files(args, store, run, evaluation)
    result = _figures(run.id, evaluation, args.part, args.epoch) | files
    return result, "\n".join([_in_words(result, args.part), *(f"{name}: {file}" for name, file in files.items())])


def _figures(run: str, evaluation: "Evaluation", part: Part, epoch: int | None) -> dict[str, Any]:
    """Accuracy and loss are named after the part: test_accuracy, val_loss."""
    metrics = evaluation.per_class
    columns = (evaluation.classes, *(getattr(metrics, name).tolist() for name in FIGURES[1:]))
    return {
        "run": run,
        "part": part,
        "epoch": epoch,
        f"{part}_accuracy": evaluation.accuracy,
        f"{part}_loss": evaluation.loss,
        "images": len(evaluation),
        "classes": [dict(zip(FIGURES, row, strict=True)) for row in zip(*columns, strict=True)],
        "confusion": evaluation.confusion.tolist(),
    }


def _in_words(result: dict[str, Any], part: Part) -> str:

    network = f" after epoch {result['epoch']}" if result["epoch"] is not None else ""
    lines = [
        f"{result['run']}{network}: accuracy {result[f'{part}_accuracy']:.2%}, loss {result[f'{part}_loss']:.4f} "
        f"on {result['images']:,} {SPLIT_NAMES[part]} images",
        "",
        f"{'class':<20} precision  recall      F1  images",
    ]
    lines += [
        f"{c['class'][:20]:<20} {c['precision']:>9.1%} {c['recall']:>7.1%} {c['f1']:>7.1%} {c['support']:>7,}"
        for c in result["classes"]
    ]
    return "\n".join(lines)


def _write_files(args: argparse.Namespace, store: Store, run: Run, evaluation: "Evaluation") -> dict[str, str]:
    """Write the files that were asked for; gives where they are, by the options' names."""
    if not args.csv and not args.report:
        return {}
    from cnn_core.data.imported import image_names
    from cnn_core.data.open import open_source
    from cnn_core.metrics.evaluation import load_split
    from cnn_core.metrics.prediction_table import write_predictions
    from cnn_core.report.run_report import report_run

    source = open_source(run.config.data, store.home)
    images = follow(load_split(source, run.config, args.part))
    if args.csv:
        names = image_names(source, images)
        _write(args.csv, "--csv", lambda file: follow(write_predictions(evaluation, names, file)))
    if args.report:
        text = follow(report_run(store, run, evaluation, images, split=args.part, epoch=args.epoch))
        _write(args.report, "--report", lambda file: file.write(text.encode()))
    return {name: str(file) for name, file in (("csv", args.csv), ("report", args.report)) if file}


def _write(path: Path, option: str, write: Callable[[BinaryIO], object]) -> None:
    try:
        write_atomically(path, write)
    except OSError as error:
        raise StudioError(f"{path} cannot be written ({error.strerror or error}). Name another file with {option}.") from None
