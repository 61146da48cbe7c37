"""`python -m cnn_core predict RUN …`: classify image files, or all images of a folder or zip, with a run's best model.

predict RUN IMAGE...            the predicted class of each image and the verdict (see `inference.verdict`); conversion notes and errors go
                                to standard error
predict RUN SOURCE --csv FILE   a table with a row for each image of a folder or zip (see `inference.predictions`), and counts
"""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import Console, run_with_progress
from cnn_core.data.decoder import read_image
from cnn_core.errors import DataError, ImageError, RunError
from cnn_core.events import Note
from cnn_core.inference.verdict import UNLIKE, UNSURE, Verdict
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted, format_count

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier, Prediction
    from cnn_core.inference.predictions import PredictionSummary

MAX_CLASSES = 10  # listed with their counts
BELOW = "{word}: below the threshold of {threshold:g}%"
FARTHER = "{word}: distance {distance:.2f}, where 1 is the limit"


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="image", help="image files; with --csv, one folder or zip archive"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="classify all images of a folder or zip and write a row for each"
    )


def run_predict_command(args: argparse.Namespace, store: Store, run: Run) -> CommandResult:
    """Classify images with the best model of `run`; the exit status is 2 where an image was refused. Raises StudioError."""
    classifier = open_classifier(store, run)
    return _predict_source(args, classifier) if args.csv else _predict_images(args.images, classifier)


def open_classifier(store: Store, run: Run, device: str = "cpu") -> "Classifier":
    """Return the run's classifier with the distribution of its training images, which is computed with progress the first time. Raises StudioError."""
    from cnn_core.device import choose_device
    from cnn_core.inference.classifier import Classifier
    from cnn_core.metrics.distribution_fit import fit_distribution

    classifier = Classifier(store.home.run_folder(run.id), choose_device(device))
    classifier.distribution = run_with_progress(fit_distribution(run.id, run.config, store.home))
    return classifier


def _predict_images(paths: list[Path], classifier: "Classifier") -> CommandResult:
    """Classify image files; one that cannot be read is reported on standard error, and the others are classified."""
    results, lines, console = [], [], Console()
    for path in paths:
        try:
            decoded = read_image(path, str(path))
            prediction = classifier.classify(decoded)
        except ImageError as error:
            console.show(Note(f"Error: {error}{_remedy(path)}" if str(path) in str(error) else f"Error: {path}: {error}"))
            continue
        if not math.isfinite(prediction.verdict.probability):
            from cnn_core.inference.many_images import DIVERGED

            raise RunError(DIVERGED)
        for note in decoded.notes:
            console.show(Note(f"{path}: {note}"))
        results.append({"image": str(path), **prediction.fields()})
        lines.append(_line(path, prediction))
    return CommandResult(results, "\n".join(lines), 2 if len(results) < len(paths) else 0)


def _remedy(path: Path) -> str:
    is_many = path.is_dir() or path.suffix.lower() == ".zip"
    return " To classify all images of a folder or zip, add --csv FILE." if is_many else ""


def _line(path: Path, prediction: "Prediction") -> str:
    (name, probability), *others = prediction.ranked
    reason = describe_verdict(prediction.verdict)
    verdict = f"  [{reason}]" if reason else ""
    return f"{path}: {name} {probability:.1%}  (then {', '.join(f'{c} {p:.1%}' for c, p in others[:2])}){verdict}"


def describe_verdict(verdict: Verdict) -> str:
    """Return the word of a verdict with its reason, where it is UNLIKE or UNSURE; else the word, "" without one."""
    if verdict.word == UNLIKE:
        return FARTHER.format(word=verdict.word, distance=verdict.distance)
    if verdict.word == UNSURE:
        return BELOW.format(word=verdict.word, threshold=100 * (verdict.threshold or 0))
    return verdict.word


def _predict_source(args: argparse.Namespace, classifier: "Classifier") -> CommandResult:
    from cnn_core.inference.many_images import classify_many

    if len(args.images) != 1:
        raise DataError("--csv takes one folder or zip archive. Name exactly one before it.")
    tally = run_with_progress(classify_many(args.images[0], classifier, args.csv))
    if tally.unread:
        Console().show(
            Note(
                f"Error: {tally.unread:,} of {counted(tally.answered + tally.unread, 'file')} could not be classified. See the column “problem” of {args.csv}."
            )
        )
    return CommandResult(_counts(args.csv, tally), _describe(args.csv, tally), 2 if tally.unread else 0)


def _counts(table: Path, tally: "PredictionSummary") -> dict[str, Any]:
    return {
        "csv": str(table),
        "answered": tally.answered,
        "unsure": tally.unsure,
        "unlike_training": tally.unlike,
        "unread": tally.unread,
        "predicted": dict(zip(tally.classes, tally.predicted.tolist(), strict=True)),
        "in_class_folders": tally.in_folders,
        "accuracy_in_class_folders": tally.accuracy,
    }


def _describe(table: Path, tally: "PredictionSummary") -> str:
    most = sorted(zip(tally.predicted.tolist(), tally.classes, strict=True), key=lambda pair: -pair[0])[:MAX_CLASSES]
    lines = [
        f"{counted(tally.answered, 'image')} classified; {UNSURE}: {format_count(tally.unsure)}; {UNLIKE}: {format_count(tally.unlike)}; "
        f"{counted(tally.unread, 'file')} could not be classified"
    ]
    lines += [f"{name:<20} {count:>9,}" for count, name in most if count]
    if tally.accuracy is not None:
        lines.append(f"accuracy {tally.accuracy:.2%} on the {tally.in_folders:,} images in folders named after a class")
    return "\n".join([*lines, f"csv: {table}"])
