"""`python -m cnn_core import-model WEIGHTS.safetensors [CARD.json]`: create a run from an exported model and its card."""

import argparse
from pathlib import Path

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import run_with_progress
from cnn_core.errors import RunError
from cnn_core.runs.store import Store


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `import-model`."""
    parser.add_argument(
        "weights", type=Path, metavar="WEIGHTS", help="weights as safetensors; a pickle (.pth, .pt, .bin) is refused"
    )
    parser.add_argument(
        "card", type=Path, nargs="?", metavar="CARD", help="their card as JSON (default: the card inside the weights file)"
    )


def run_import_command(args: argparse.Namespace, store: Store) -> CommandResult:
    """Import a model as a run. Raises StudioError; then no run was created."""
    from cnn_core.export.card import MAX_CARD_BYTES
    from cnn_core.export.model_import import MAX_WEIGHTS_BYTES, import_model, refuse_pickle

    refuse_pickle(args.weights.name)
    weights = _read(args.weights, MAX_WEIGHTS_BYTES)
    card = _read(args.card, MAX_CARD_BYTES) if args.card else None
    run = run_with_progress(import_model(store, weights, card, args.weights.name))
    result = {"run": run, "folder": str(store.home.run_folder(run))}
    return CommandResult(result, f"The model was imported as run {run}. Try it: python -m cnn_core predict {run} IMAGE")


def _read(path: Path, limit: int) -> bytes:
    """Return the file's content, at most `limit` + 1 bytes: a file that is too large is refused later. Raises RunError."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror or error}). Check the path.") from None
