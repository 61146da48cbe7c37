"""`python -m cnn_core export RUN`: a run's model as a file for other programs, verified before it is written, or its training as Python code.

--format  one of `export.formats` (default safetensors, with its card next to it)
--out     the file to write (default: the run's name with the format's suffix, in the current folder)
"""

import argparse
from pathlib import Path
from typing import Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import run_with_progress
from cnn_core.errors import StudioError
from cnn_core.export.formats import FORMATS
from cnn_core.files import write_atomically
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

BUNDLED = ("safetensors", "onnx", "torch-export")
CARD_SUFFIX = ".json"
OUT_IS_CARD = "The weights are written to the file that --out names, and their card next to it as JSON. Choose a name such as model{suffix}."
CANNOT_WRITE = "{path} cannot be written ({reason}). Choose another file with --out."


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("--format", choices=FORMATS, default="safetensors", help="the file's format (default safetensors)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: RUN with the format's suffix)")


def run_export_command(args: argparse.Namespace, store: Store, run: Run) -> CommandResult:
    """Export the run's model. Raises StudioError; then no file was written."""
    chosen = FORMATS[args.format]
    path = args.out or Path(f"{run.id}{chosen.suffix}")
    _check_path(path)
    if chosen.is_importable and path.suffix.lower() == CARD_SUFFIX:
        raise StudioError(OUT_IS_CARD.format(suffix=chosen.suffix))
    from cnn_core.export.exporter import export_run  # loads torch

    exported = run_with_progress(export_run(store, run, chosen.name, BUNDLED))
    contents = {path: exported.content}
    if chosen.is_importable and exported.card:
        contents[path.with_suffix(CARD_SUFFIX)] = exported.card.to_json().encode()
    for file, content in contents.items():
        _write(file, content)
    result: dict[str, Any] = {
        "run": run.id,
        "format": chosen.name,
        "files": [str(file) for file in contents],
        "bytes": len(exported.content),
    }
    if verification := exported.verification:
        result |= {
            "checked_images": verification.images,
            "checked_part": verification.split,
            "largest_difference": verification.largest_difference,
            "ties": verification.ties,
        }
    return CommandResult(result, "\n".join([*(f"file: {file}" for file in contents), exported.note]))


def _check_path(path: Path) -> None:
    """Raise StudioError if the file cannot be written, before the work begins."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise StudioError(CANNOT_WRITE.format(path=path, reason="there is no such folder, or it is a folder"))


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        raise StudioError(CANNOT_WRITE.format(path=path, reason=error.strerror or error)) from None
