"""`python -m cnn_core export RUN`: a run's model as a file for other programs, verified before it is written, or its training as code.

--format  one of `export.formats` (default safetensors, with its card next to it)
--out     the file to write (default: the run's name with the format's suffix, in the current folder)
"""

import argparse
from pathlib import Path
from typing import Any

from cnn_core.cli.console import follow
from cnn_core.errors import StudioError
from cnn_core.export.formats import FORMATS
from cnn_core.files import write_atomically
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

BUNDLED = ("safetensors", "onnx", "torch-export")
CARD_SUFFIX = ".json"
OUT_IS_CARD = "The weights are written to the file that --out names, and their card next to it as JSON. Choose a name such as model{suffix}."
NO_PLACE = "{path} cannot be written ({reason}). Name another file with --out."


def add_export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="safetensors", help="the file's format (default safetensors)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: RUN with the format's suffix)")


def run_export_command(args: argparse.Namespace, store: Store, run: Run) -> tuple[Any, str]:
    """Export, and return the result for --json and in words. Raises StudioError, and then nothing was written."""
    chosen = FORMATS[args.format]
    path = args.out or Path(f"{run.id}{chosen.suffix}")
    _check_place(path)
    if chosen.is_importable and path.suffix.lower() == CARD_SUFFIX:
        raise StudioError(OUT_IS_CARD.format(suffix=chosen.suffix))
    from cnn_core.export.exporter import export_run  # loads torch

    exported = follow(export_run(store, run, chosen.name, BUNDLED))
    contents = {path: exported.content}
    if chosen.is_importable and exported.card:
        contents[path.with_suffix(CARD_SUFFIX)] = exported.card.to_json().encode()
    for file, content in contents.items():
        _write(file, content)
    result = {"run": run.id, "format": chosen.name, "files": [str(file) for file in contents], "bytes": len(exported.content)}
    if verification := exported.verification:
        result |= {
            "checked_images": verification.images,
            "checked_part": verification.split,
            "largest_difference": verification.largest_difference,
            "ties": verification.ties,
        }
    return result, "\n".join([*(f"file: {file}" for file in contents), exported.note])


def _check_place(path: Path) -> None:
    """Raise StudioError if the file cannot be written, before the work begins."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise StudioError(NO_PLACE.format(path=path, reason="there is no such folder, or it is a folder"))


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        raise StudioError(NO_PLACE.format(path=path, reason=error.strerror or error)) from None
