"""`python -m cnn_core import-model WEIGHTS.safetensors [CARD.json]`: a model that was taken along, or comes from others, becomes a run."""

import argparse
from pathlib import Path
from typing import Any

from cnn_core.cli.console import run_with_progress
from cnn_core.errors import RunError
from cnn_core.home import Home
from cnn_core.runs.store import Store


def add_import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights", type=Path, metavar="WEIGHTS", help="weights as safetensors; a pickle (.pth, .pt, .bin) is refused"
    )
    parser.add_argument(
        "card", type=Path, nargs="?", metavar="CARD", help="the card that goes with them (default: the one inside)"
    )


def run_import_command(args: argparse.Namespace) -> tuple[Any, str]:
    """Do it; gives the answer for --json, and in words. Raises StudioError; then no run was made."""
    from cnn_core.export.bring_back import MOST_BYTES, bring_back, refuse_pickle
    from cnn_core.export.card import MOST_BYTES as LARGEST_CARD

    refuse_pickle(args.weights.name)
    weights = _read(args.weights, MOST_BYTES)
    card = _read(args.card, LARGEST_CARD) if args.card else None
    store = Store(Home.from_environment())
    run = run_with_progress(bring_back(store, weights, card, args.weights.name))
    return {
        "run": run,
        "folder": str(store.home.run_folder(run)),
    }, f"{run} was brought back: python -m cnn_core predict {run} IMAGE"


def _read(path: Path, most: int) -> bytes:
    """The file's content, and of one that is too large a byte more than is allowed, which is refused later. Raises RunError."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror or error}). Check the path.") from None
