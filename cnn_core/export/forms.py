"""The forms in which a model is taken along. Each file is checked before it is given: loaded back, it has to answer as the app does.

In: a run. Out: an Exported, with Progress on the way.

    safetensors   weights and card, for any program that reads safetensors; CNN Studio itself takes them back
    onnx          a graph for ONNX Runtime and others      torch-export   a graph for PyTorch 2 (.pt2)
    pth           the state dict as the run has it         bundle         a zip of some of these that checks itself (see `bundle`)
"""

import io
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cnn_core.errors import RunError, StudioError
from cnn_core.events import Progress
from cnn_core.export import apart
from cnn_core.export.card import ExportCard, make_card, read_export_card
from cnn_core.export.graph import answer, build_answering
from cnn_core.export.verify import Asked, Checked, ask_app, compare
from cnn_core.export.weights import State, card_inside, read_safetensors, write_safetensors
from cnn_core.home import WEIGHTS
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2", "pth": ".pth"}
GRAPHS = ("onnx", "torch-export")
SOME = 64  # images at a time


@dataclass(frozen=True)
class Exported:
    """A file of one form, the card that goes with it, and how its answers compare with the app's."""

    form: str
    content: bytes
    card: ExportCard
    checked: Checked


def export_model(store: Store, run: Run, form: str) -> Generator[Progress, None, Exported]:
    """The run's best network as a file of `form`, one of SUFFIXES. Raises StudioError, also where the file does not answer as the app does."""
    card = make_card(store, run)
    asked = yield from ask_app(store, run)
    return (yield from export_checked(store, card, form, asked))


def export_checked(store: Store, card: ExportCard, form: str, asked: Asked) -> Generator[Progress, None, Exported]:
    """The same, where the app was already asked."""
    content = _read_weights(store, card.run)
    weights = write_safetensors(_read_state(content), card)
    if form in GRAPHS:
        content, answers = yield from _make_graph(form, weights, asked.images)
    elif form == "safetensors":
        content, answers = weights, (yield from _answer_from(weights, card, asked.images))
    else:
        network = build_answering(read_export_card(card.to_json().encode()), _read_state(content))
        answers = yield from _answer_all(network, asked.images)
    return Exported(form, content, card, compare(asked, answers))


def _read_weights(store: Store, run: str) -> bytes:
    try:
        return (store.home.run_folder(run) / WEIGHTS).read_bytes()
    except OSError:
        raise RunError(f"Run {run} has no model yet. Let it train for at least one epoch, or choose another run.") from None


def _read_state(content: bytes) -> State:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # what reading a damaged pickle raises is anybody's guess
        raise RunError("The saved model is damaged. Train the run again.") from None


def _make_graph(form: str, weights: bytes, images: np.ndarray) -> Generator[Progress, None, tuple[bytes, np.ndarray]]:
    """The file of a graph, and what it says of `images` when it is loaded back."""
    try:
        with tempfile.TemporaryDirectory(prefix="export-") as name:
            folder = Path(name)
            (folder / apart.WEIGHTS).write_bytes(weights)
            np.save(folder / apart.IMAGES, images)
            yield from apart.make_apart(form, folder)
            return (folder / apart.MODEL).read_bytes(), np.load(folder / apart.ANSWERS)
    except OSError as error:
        raise StudioError(
            f"The file could not be made ({error.strerror or error}). Check free space for temporary files."
        ) from None


def _answer_from(weights: bytes, card: ExportCard, images: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    """What a safetensors file says of `images`, by the card that it carries."""
    inside = card_inside(weights)
    if inside != card:
        raise StudioError(
            "The card in the exported file is not the one that was written. It is not offered; export another form."
        )
    return (yield from _answer_all(build_answering(inside, read_safetensors(weights)), images))


def _answer_all(network: torch.nn.Module, images: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    parts = []
    for start in range(0, len(images), SOME):
        yield Progress("Asking the file about images", start, len(images))
        parts.append(answer(network, images[start : start + SOME]))
    return np.concatenate(parts)
