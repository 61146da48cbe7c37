"""`python -m cnn_core data …`: the data sets of a studio home on the command line.

list      what the catalogue has and what is imported
get       download and import a set of the catalogue, or import it from its archive
import    make a set of a folder or a zip archive
check     the truth about a set: counts, what was set aside, duplicates
remove    take an imported set away
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import check_quality, imported_sets, remove_set, title_of
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import Home

Answer = tuple[Any, str]  # for --json, and in words


def add_data_command(commands: Any) -> None:
    """Put `data` and its own commands into the parser of the command line."""
    data = commands.add_parser("data", help="list, get, import, check and remove data sets")
    actions = data.add_subparsers(required=True, metavar="action")
    for name, action, about in (
        ("list", _list, "what the catalogue has and what is imported"),
        ("get", _get, "download and import a set of the catalogue"),
        ("import", _import, "make a data set of a folder or a zip archive"),
        ("check", _check, "tell the truth about a data set"),
        ("remove", _remove, "take an imported data set away; the original files stay"),
    ):
        parser = actions.add_parser(name, help=about)
        parser.set_defaults(action=action)
        parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
        if name == "import":
            parser.add_argument("source", type=Path, help="a folder with one sub-folder per class, or a zip of one")
            parser.add_argument("--name", required=True, help="what the data set is to be called")
            parser.add_argument(
                "--image-size", type=int, help="side of the images, 16 to 224 pixels (default: what they share, else 64)"
            )
            parser.add_argument("--fit", default="crop", help="crop, pad or stretch images that are not square")
            parser.add_argument("--colour", default="auto", help="auto, colour or grey")
            parser.add_argument("--test-share", type=float, default=0.2, help="share for testing, where there is no test folder")
            parser.add_argument("--split-seed", type=int, default=0, help="which images that share is")
        elif name != "list":
            parser.add_argument("name", help="the data set's name")
        if name == "get":
            parser.add_argument(
                "--archive", type=Path, action="append", default=[], help="take this file instead of downloading it"
            )


def run_data_command(args: argparse.Namespace) -> Answer:
    """Do what was asked. Raises DataError."""
    return args.action(args, Home.from_environment())


def _list(args: argparse.Namespace, home: Home) -> Answer:
    imported = imported_sets(home)
    names = [*CATALOG, *(name for name in imported if name not in CATALOG)]
    rows = []
    for name in names:
        info = open_source(name, home).info
        rows.append(
            {"name": name, "title": title_of(name, home), "is_here": name in imported}
            | {k: v for k, v in asdict(info).items() if k != "name"}
        )
    lines = [
        f"{row['name']:<24} {'here' if row['is_here'] else 'to get':<7} {row['train_count']:>9,} + {row['test_count']:>7,} images"
        f"  {len(row['classes']):>4} classes  {row['image_size']}×{row['image_size']}  {row['title']}"
        for row in rows
    ]
    return rows, "\n".join(lines)


def _get(args: argparse.Namespace, home: Home) -> Answer:
    if args.name not in CATALOG:
        raise DataError(f"“{args.name}” is not in the catalogue ({', '.join(CATALOG)}). Check the spelling.")
    source = open_source(args.name, home)
    for file in args.archive:
        source.adopt(file)
    _show(source.obtain())
    return _described(args.name, home)


def _import(args: argparse.Namespace, home: Home) -> Answer:
    from cnn_core.data.importer import ImportOptions, import_files

    options = ImportOptions(args.image_size, args.fit, args.colour, args.test_share, args.split_seed)
    _show(import_files(args.name, args.source.expanduser().resolve(), options, home))
    return _described(args.name, home)


def _check(args: argparse.Namespace, home: Home) -> Answer:
    from cnn_core.data.imported import ImportedSource

    if args.name not in imported_sets(home):
        raise DataError(f"There is no imported data set “{args.name}”. `python -m cnn_core data list` shows what there is.")
    source = ImportedSource(home.set_folder(args.name))
    health, problems = check_quality(source), source.index.problems()
    classes = {
        name: {part: counts[label] for part, counts in source.counts.items()} for label, name in enumerate(source.info.classes)
    }
    result = asdict(health) | {
        "fingerprint": source.info.fingerprint,
        "classes": classes,
        "set_aside": [asdict(one) for one in problems],
    }
    lines = [_describe(args.name, source.info), ""]
    lines += [
        f"{name[:30]:<30} " + "  ".join(f"{part} {count:>7,}" for part, count in parts.items()) for name, parts in classes.items()
    ]
    lines += ["", f"duplicates: {health.pairs['same']:,} of the same file, {health.pairs['near']:,} nearly the same picture"]
    lines += [f"- {warning}" for warning in health.warnings]
    lines += [f"set aside: {one.path}: {one.reason}" for one in problems]
    return result, "\n".join(lines)


def _remove(args: argparse.Namespace, home: Home) -> Answer:
    remove_set(args.name, home)
    return {"removed": args.name}, f"{args.name} was removed. The files that it was made of are where they were."


def _described(name: str, home: Home) -> Answer:
    info = open_source(name, home).info
    return asdict(info), _describe(name, info)


def _describe(name: str, info: DataInfo) -> str:
    validation = f", {info.val_count:,} validation" if info.val_count else ""
    return (
        f"{name}: {info.train_count:,} training{validation} and {info.test_count:,} test images in {len(info.classes)} classes, "
        f"{info.image_size}×{info.image_size}, {'grey' if info.channels == 1 else 'colour'}, version {info.fingerprint}"
    )


def _show(steps: Any) -> None:
    """Run an import, saying on standard error how far it is; one line on a terminal, one per stage elsewhere."""
    stage = ""
    for progress in steps:
        assert isinstance(progress, Progress)
        if sys.stderr.isatty():
            print(f"\r{progress.stage}: {progress.done:,} of {progress.total:,}   ", end="", file=sys.stderr)
        elif progress.stage != stage:
            print(progress.stage, file=sys.stderr)
        stage = progress.stage
    if sys.stderr.isatty() and stage:
        print(file=sys.stderr)
