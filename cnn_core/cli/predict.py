"""`python -m cnn_core predict RUN …`: a run's best network on image files, or on all of a folder or zip with a table of the answers.

predict RUN IMAGE...          what each picture is, in words or as JSON; notes of what was converted, and refusals, on standard error
predict RUN SOURCE --csv FILE every picture of a folder or zip, a row for each (see `inference.answers`), and their counts in words or as JSON
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.cli.console import Console, follow
from cnn_core.data.decoder import read_image
from cnn_core.errors import DataError, ImageError
from cnn_core.events import Note

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.inference.predictions import Tally

Answered = tuple[Any, str, bool]  # for --json, in words, and whether anything was refused
CLASSES_TOLD = 10


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="image", help="image files; with --csv, one folder or zip archive"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="classify all of a folder or zip and write a row for each picture"
    )


def run_predict_command(args: argparse.Namespace, folder: Path) -> Answered:
    """Do what was asked with the network in a run's `folder`. Raises StudioError."""
    from cnn_core.inference.classifier import Classifier

    classifier = Classifier(folder)
    return _predict_source(args, classifier) if args.csv else _predict_images(args.images, classifier)


def _predict_images(paths: list[Path], classifier: "Classifier") -> Answered:
    """A picture that cannot be used is told on standard error, and the others are answered."""
    results, lines, console = [], [], Console()
    for path in paths:
        try:
            picture = read_image(path, str(path))
            ranked = classifier.classify(picture.image).ranked
        except ImageError as error:
            console.show(Note(f"Error: {error}{_remedy(path)}" if str(path) in str(error) else f"Error: {path}: {error}"))
            continue
        for note in picture.notes:
            console.show(Note(f"{path}: {note}"))
        results.append(_result(path, ranked))
        (name, probability), *others = ranked
        lines.append(f"{path}: {name} {probability:.1%}  (then {', '.join(f'{c} {p:.1%}' for c, p in others[:2])})")
    return results, "\n".join(lines), len(results) < len(paths)


def _remedy(path: Path) -> str:
    is_many = path.is_dir() or path.suffix.lower() == ".zip"
    return " All pictures of a folder or zip are classified with --csv FILE." if is_many else ""


def _result(path: Path, ranked: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    (name, probability), *_ = ranked
    told = [{"class": c, "probability": p} for c, p in ranked]
    return {"image": str(path), "class": name, "probability": probability, "ranked": told}


def _predict_source(args: argparse.Namespace, classifier: "Classifier") -> Answered:
    from cnn_core.inference.many_images import classify_many

    if len(args.images) != 1:
        raise DataError("A table is made of one folder or zip archive. Name one of them before --csv.")
    tally = follow(classify_many(args.images[0], classifier, args.csv))
    if tally.unread:
        Console().show(
            Note(
                f"Error: {tally.unread:,} of {tally.answered + tally.unread:,} files have no answer. The column “problem” of {args.csv} says why."
            )
        )
    return _counts(args.csv, tally), _in_words(args.csv, tally), tally.unread > 0


def _counts(table: Path, tally: "Tally") -> dict[str, Any]:
    return {
        "csv": str(table),
        "answered": tally.answered,
        "unsure": tally.unsure,
        "unread": tally.unread,
        "predicted": dict(zip(tally.classes, tally.predicted.tolist(), strict=True)),
        "in_class_folders": tally.in_folders,
        "accuracy_in_class_folders": tally.accuracy,
    }


def _in_words(table: Path, tally: "Tally") -> str:
    most = sorted(zip(tally.predicted.tolist(), tally.classes, strict=True), key=lambda pair: -pair[0])[:CLASSES_TOLD]
    pictures = "picture" if tally.answered == 1 else "pictures"
    lines = [
        f"{tally.answered:,} {pictures} answered, {tally.unsure:,} with “I don't know”; {tally.unread:,} files without an answer"
    ]
    lines += [f"{name:<20} {count:>9,}" for count, name in most if count]
    if tally.accuracy is not None:
        lines.append(f"accuracy {tally.accuracy:.2%} on the {tally.in_folders:,} pictures in folders named like a class")
    return "\n".join([*lines, f"csv: {table}"])
