"""`python -m cnn_core export RUN`: a run's network as a file for other programs, checked before it is written.

--format  safetensors (as told without it, with its card beside it), onnx, torch-export, pth, or bundle (see `export.forms`);
          script or notebook: its training in plain PyTorch (see `export.training_file`)
--out     the file to write (default RUN with the form's ending, here)
"""

import argparse
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.cli.console import follow
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.files import write_atomically
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

if TYPE_CHECKING:
    from cnn_core.export.forms import Exported

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2", "pth": ".pth", "bundle": "-bundle.zip"}
TRAININGS = {"script": "-train.py", "notebook": "-train.ipynb"}
BUNDLED = ("safetensors", "onnx", "torch-export")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=(*SUFFIXES, *TRAININGS), default="safetensors", help="the file's form (default safetensors)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default RUN with the form's ending)")


def run_export_command(args: argparse.Namespace, store: Store, run: Run) -> tuple[Any, str]:
    """Do what was asked; gives the answer for --json, and in words. Raises StudioError; then nothing was written."""
    path = args.out or Path(f"{run.id}{(SUFFIXES | TRAININGS)[args.format]}")
    _check_place(path)
    if args.format == "safetensors" and path.suffix.lower() == ".json":
        raise StudioError(
            "The file that --out names takes the weights, and a JSON file beside it their card. Choose a name such as model.safetensors."
        )
    if args.format in TRAININGS:
        return _write_training(path, store, run, args.format)
    exported = follow(_export(store, run, args.format))
    files = [path]
    _write(path, exported.content)
    if args.format == "safetensors":
        files.append(path.with_suffix(".json"))
        _write(files[1], exported.card.to_json().encode())
    checked = exported.checked
    result = {
        "run": run.id,
        "format": args.format,
        "files": [str(file) for file in files],
        "bytes": len(exported.content),
        "checked_images": checked.images,
        "checked_part": checked.part,
        "largest_difference": checked.largest,
        "ties": checked.ties,
    }
    return result, "\n".join([*(f"file: {file}" for file in files), str(checked)])


def _write_training(path: Path, store: Store, run: Run, form: str) -> tuple[Any, str]:
    """The run's training as a script or a notebook, and what is said of it."""
    from cnn_core.export.training_file import training_file

    content = training_file(store, run, form)
    _write(path, content)
    result = {"run": run.id, "format": form, "files": [str(path)], "bytes": len(content)}
    return result, f"file: {path}\nIt needs torch and torchvision; what differs from the run is told at its beginning."


def _export(store: Store, run: Run, form: str) -> "Generator[Progress, None, Exported]":
    if form == "bundle":
        from cnn_core.export.bundle import export_bundle

        return export_bundle(store, run, BUNDLED)
    from cnn_core.export.forms import export_model

    return export_model(store, run, form)


def _check_place(path: Path) -> None:
    """Raises StudioError where a file cannot be: better now than after the work."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise StudioError(f"{path} cannot be written (there is no such folder, or it is one). Name another file with --out.")


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        raise StudioError(f"{path} cannot be written ({error.strerror or error}). Name another file with --out.") from None
