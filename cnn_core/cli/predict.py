"""`python -m cnn_core predict RUN …`: classify image files, or all images of a folder or zip, with a run's best model.

predict RUN IMAGE...            the predicted class of each image; conversion notes and errors go to standard error
predict RUN SOURCE --csv FILE   a table with a row for each image of a folder or zip (see `inference.predictions`), and counts
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import Console, run_with_progress
from cnn_core.data.decoder import read_image
from cnn_core.errors import DataError, ImageError
from cnn_core.events import Note
from cnn_core.text import counted

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.inference.predictions import PredictionSummary

MAX_CLASSES = 10  # listed with their counts


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="image", help="image files; with --csv, one folder or zip archive"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="classify all images of a folder or zip and write a row for each"
    )


def run_predict_command(args: argparse.Namespace, folder: Path) -> CommandResult:
    """Classify images with the model in a run's `folder`; the exit status is 2 where an image was refused. Raises StudioError."""
    from cnn_core.inference.classifier import Classifier

    classifier = Classifier(folder)
    return _predict_source(args, classifier) if args.csv else _predict_images(args.images, classifier)


def _predict_images(paths: list[Path], classifier: "Classifier") -> CommandResult:
    """Classify image files; one that cannot be read is reported on standard error, and the others are classified."""
    results, lines, console = [], [], Console()
    for path in paths:
        try:
            decoded = read_image(path, str(path))
            ranked = classifier.classify(decoded.image).ranked
        except ImageError as error:
            console.show(Note(f"Error: {error}{_remedy(path)}" if str(path) in str(error) else f"Error: {path}: {error}"))
            continue
        for note in decoded.notes:
            console.show(Note(f"{path}: {note}"))
        results.append(_result(path, ranked))
        (name, probability), *others = ranked
        lines.append(f"{path}: {name} {probability:.1%}  (then {', '.join(f'{c} {p:.1%}' for c, p in others[:2])})")
    return CommandResult(results, "\n".join(lines), 2 if len(results) < len(paths) else 0)


def _remedy(path: Path) -> str:
    is_many = path.is_dir() or path.suffix.lower() == ".zip"
    return " To classify all images of a folder or zip, add --csv FILE." if is_many else ""


def _result(path: Path, ranked: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    (name, probability), *_ = ranked
    classes = [{"class": c, "probability": p} for c, p in ranked]
    return {"image": str(path), "class": name, "probability": probability, "ranked": classes}


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
        "unread": tally.unread,
        "predicted": dict(zip(tally.classes, tally.predicted.tolist(), strict=True)),
        "in_class_folders": tally.in_folders,
        "accuracy_in_class_folders": tally.accuracy,
    }


def _describe(table: Path, tally: "PredictionSummary") -> str:
    most = sorted(zip(tally.predicted.tolist(), tally.classes, strict=True), key=lambda pair: -pair[0])[:MAX_CLASSES]
    lines = [
        f"{counted(tally.answered, 'image')} classified, {tally.unsure:,} as “I don't know”; {counted(tally.unread, 'file')} could not be classified"
    ]
    lines += [f"{name:<20} {count:>9,}" for count, name in most if count]
    if tally.accuracy is not None:
        lines.append(f"accuracy {tally.accuracy:.2%} on the {tally.in_folders:,} images in folders named after a class")
    return "\n".join([*lines, f"csv: {table}"])
