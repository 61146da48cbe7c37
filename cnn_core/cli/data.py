"""`python -m cnn_core data …`: the data sets of a studio home on the command line.

list      list the catalogue and the imported data sets
get       download and import a data set of the catalogue, or import it from its archives
import    import a folder or a zip archive
check     check a data set: counts, skipped files, duplicates
split     choose what validation images without test images are used for
remove    move an imported data set to the bin
restore   restore a data set from the bin
empty-bin delete the data sets in the bin
"""

import argparse
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import run_with_progress
from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.conversions import conversion_facts, describe_conversions
from cnn_core.data.imported import ImportedSource
from cnn_core.data.library import blank_images_warning, check_quality, imported_sets, set_title
from cnn_core.data.names import NAME_CHANGED, to_set_name
from cnn_core.data.open import open_source
from cnn_core.data.path_source import PathSource
from cnn_core.data.set_bin import empty_bin, remove_set, restore_set
from cnn_core.data.skipped import SEE_COMMAND, describe_imported, describe_skipped, skipped_facts
from cnn_core.data.source import DataInfo
from cnn_core.data.split_changes import use_validation_images
from cnn_core.data.validation_use import CHOICES, NOT_TO_CHOOSE, UNDECIDED
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.text import counted

VALIDATION_HELP = "what the validation images are used for where there are no test images"
REMOVED = "{name} was moved to the bin. The original files were not changed. `data restore {name}` restores it."
DELETED = "{sets} deleted."
DUPLICATES = "duplicates: {same} of identical files, {near} of nearly identical images"
Action = Callable[[argparse.Namespace, Home], CommandResult]


def add_data_command(commands: Any) -> None:
    """Add `data` and its actions to the parser of the command line."""
    data = commands.add_parser("data", help="list, get, import, check and remove data sets")
    actions = data.add_subparsers(required=True, metavar="action")
    for name, action, help_text in (
        ("list", _list, "list the catalogue and the imported data sets"),
        ("get", _get, "download and import a data set of the catalogue"),
        ("import", _import, "import a folder or a zip archive"),
        ("check", _check, "check a data set: counts, skipped files, duplicates"),
        ("split", _split, "choose what the validation images of a data set without test images are used for"),
        ("remove", _remove, "move an imported data set to the bin; the original files stay"),
        ("restore", _restore, "restore a data set from the bin"),
        ("empty-bin", _empty_bin, "delete the data sets in the bin"),
    ):
        parser = actions.add_parser(name, help=help_text)
        parser.set_defaults(action=action)
        parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
        if name == "import":
            _add_import_options(parser)
        elif name not in ("list", "empty-bin"):
            parser.add_argument(
                "name", help="name of the data set" + (", or the path of a folder or zip archive" if name == "split" else "")
            )
        if name == "split":
            parser.add_argument("--validation-as", choices=CHOICES, required=True, help=VALIDATION_HELP)
        if name == "get":
            parser.add_argument(
                "--archive", type=Path, action="append", default=[], help="use this file instead of downloading it"
            )


def _add_import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a folder with one sub-folder per class, or a zip of one")
    parser.add_argument("--name", required=True, help="name of the data set")
    parser.add_argument(
        "--image-size",
        type=int,
        help="store squares of this side, 16 to 224 pixels (default: keep photographs as they are, small images at their common size)",
    )
    parser.add_argument(
        "--fit",
        default="crop",
        help="crop, pad or stretch images to squares; pad and stretch store squares, of 64 pixels unless --image-size is given",
    )
    parser.add_argument("--colour", default="auto", help="auto, colour or grey")
    parser.add_argument("--test-share", type=float, default=0.2, help="fraction for testing, where there is no test folder")
    parser.add_argument("--split-seed", type=int, default=0, help="seed that draws this fraction")
    parser.add_argument("--validation-as", choices=CHOICES, default=UNDECIDED, help=f"{VALIDATION_HELP} (default: validation)")


def run_data_command(args: argparse.Namespace) -> CommandResult:
    """Run the chosen action. Raises DataError."""
    action: Action = args.action
    return action(args, Home.from_environment())


def _list(args: argparse.Namespace, home: Home) -> CommandResult:
    imported = imported_sets(home)
    rows, lines = [], []
    for name in [*CATALOG, *(name for name in imported if name not in CATALOG)]:
        info, title, is_here = open_source(name, home).info, set_title(name, home), name in imported
        rows.append({**asdict(info), "name": name, "title": title, "is_here": is_here})
        lines.append(
            f"{name:<24} {'imported' if is_here else '–':<9} {info.train_count:>9,} + {info.test_count:>7,} images"
            f"  {len(info.classes):>4} classes  {_size_of(info)}  {title}"
        )
    return CommandResult(rows, "\n".join(lines))


def _get(args: argparse.Namespace, home: Home) -> CommandResult:
    if args.name not in CATALOG:
        raise DataError(f"“{args.name}” is not in the catalogue ({', '.join(CATALOG)}). Check the spelling.")
    source = CatalogSource(CATALOG[args.name], home)
    for file in args.archive:
        source.add_archive(file)
    run_with_progress(_name_stages(source.ensure_imported()))
    return _describe_set(args.name, home)


def _import(args: argparse.Namespace, home: Home) -> CommandResult:
    from cnn_core.data.imported import ImportedSource
    from cnn_core.data.importer import ImportOptions, import_files

    options = ImportOptions(args.image_size, args.fit, args.colour, args.test_share, args.split_seed, args.validation_as)
    name = to_set_name(args.name)
    run_with_progress(_name_stages(import_files(name, args.source.expanduser().resolve(), options, home)))
    imported = ImportedSource(home.set_folder(name))
    warnings = [*filter(None, [imported.describe_validation()]), *imported.facts["warnings"], *blank_images_warning(imported)]
    result = _describe_set(name, home)
    changed = [NAME_CHANGED.format(typed=args.name, name=name)] if name != args.name else []
    lines = [*changed, describe_imported(imported), result.text, *(f"- {warning}" for warning in warnings)]
    return CommandResult({**result.value, "warnings": warnings}, "\n".join(lines))


def _check(args: argparse.Namespace, home: Home) -> CommandResult:
    if args.name not in imported_sets(home):
        raise DataError(f"There is no imported data set “{args.name}”. `python -m cnn_core data list` lists the data sets.")
    source = ImportedSource(home.set_folder(args.name))
    quality, skipped = check_quality(source), source.index.skipped_files()
    classes = {
        name: {split: counts[label] for split, counts in source.counts.items()} for label, name in enumerate(source.info.classes)
    }
    result = asdict(quality) | {
        "fingerprint": source.info.fingerprint,
        "classes": classes,
        "skipped_files": [asdict(file) for file in skipped],
        **conversion_facts(source.index),
    }
    lines = [_describe(args.name, source.info), ""]
    lines += [
        f"{name[:30]:<30} " + "  ".join(f"{split} {count:>7,}" for split, count in splits.items())
        for name, splits in classes.items()
    ]
    lines += ["", DUPLICATES.format(**{kind: counted(quality.pairs[kind], "pair") for kind in ("same", "near")})]
    lines += [f"- {warning}" for warning in quality.warnings]
    lines += filter(None, [describe_conversions(source.index)])
    lines += [f"skipped: {file.path}: {file.explanation}" for file in skipped]
    return CommandResult(result, "\n".join(lines))


def _split(args: argparse.Namespace, home: Home) -> CommandResult:
    source = open_source(args.name, home)
    if isinstance(source, PathSource):
        source.choose_validation(args.validation_as)
        return CommandResult(asdict(source.info), _describe(args.name, source.info))
    if not isinstance(source, ImportedSource):
        raise DataError(NOT_TO_CHOOSE.format(name=args.name))
    use_validation_images(source, args.validation_as)
    changed = ImportedSource(source.folder)
    return CommandResult(asdict(changed.info), f"{_describe(args.name, changed.info)}\n{changed.describe_validation()}")


def _remove(args: argparse.Namespace, home: Home) -> CommandResult:
    remove_set(args.name, home)
    return CommandResult({"removed": args.name}, REMOVED.format(name=args.name))


def _restore(args: argparse.Namespace, home: Home) -> CommandResult:
    restore_set(args.name, home)
    return _describe_set(args.name, home)


def _empty_bin(args: argparse.Namespace, home: Home) -> CommandResult:
    names = [removed.name for removed in empty_bin(home)]
    return CommandResult({"deleted": names}, DELETED.format(sets=counted(len(names), "data set was", "data sets were")))


def _describe_set(name: str, home: Home) -> CommandResult:
    source = ImportedSource(home.set_folder(name))
    skipped = describe_skipped(source.index, SEE_COMMAND.format(name=name))
    text = "\n".join(filter(None, [_describe(name, source.info), describe_conversions(source.index), skipped]))
    return CommandResult(asdict(source.info) | conversion_facts(source.index) | skipped_facts(source.index), text)


def _size_of(info: DataInfo) -> str:
    return f"up to {info.kept_side} pixels" if info.kept_side else f"{info.image_size}×{info.image_size}"


def _describe(name: str, info: DataInfo) -> str:
    validation = f", {info.val_count:,} validation" if info.val_count else ""
    return (
        f"{name}: {info.train_count:,} training{validation} and {counted(info.test_count, 'test image')} in {counted(len(info.classes), 'class', 'classes')}, "
        f"{_size_of(info)}, {'grey' if info.channels == 1 else 'colour'}, version {info.fingerprint}"
    )


def _name_stages(steps: Iterable[Progress]) -> Generator[Progress, None, None]:
    """Yield the progress of an import; where standard error is not a terminal, print a line for each stage."""
    stage = ""
    for progress in steps:
        if progress.stage != stage and not sys.stderr.isatty():
            print(progress.stage, file=sys.stderr)
        stage = progress.stage
        yield progress
