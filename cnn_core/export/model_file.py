"""Model files: a run's network in one format, verified before it is given.

In: a run and a format. Out: an ExportedFile, with Progress on the way. A graph is exported in a process of its own; a file of weights is
loaded back here.
"""

import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard, make_card, read_export_card
from cnn_core.export.formats import FORMATS, ExportFormat, find_function
from cnn_core.export.graph import build_exportable, predict_in_chunks, predictor, to_input
from cnn_core.export.subprocess_export import (
    IMAGES_FILE,
    MODEL_FILE,
    PREDICTING,
    PREDICTIONS_FILE,
    WEIGHTS_FILE,
    export_in_subprocess,
)
from cnn_core.export.verification import ReferencePredictions, Verification, compare, predict_reference
from cnn_core.export.weights import SavedWeights, read_saved_weights, write_safetensors
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

NO_ROOM = "The file could not be written ({reason}). Free some space for temporary files."


@dataclass(frozen=True)
class ExportedFile:
    """A file of one format. `note`: what there is to say about it. Model files and bundles have a card and were verified."""

    name: str
    content: bytes
    note: str = ""
    card: ExportCard | None = None
    verification: Verification | None = None


def export_model(store: Store, run: Run, name: str) -> Generator[Progress, None, ExportedFile]:
    """The run's best network in the format `name`, one of MODEL_FORMATS. Raises StudioError, also if the file's predictions differ."""
    card = make_card(store, run)
    reference = yield from predict_reference(store, run)
    return (yield from export_verified(store, card, name, reference))


def export_verified(
    store: Store, card: ExportCard, name: str, reference: ReferencePredictions
) -> Generator[Progress, None, ExportedFile]:
    """The same, if the program's predictions are known already."""
    saved, chosen = read_saved_weights(store.home.run_folder(card.run), card), FORMATS[name]
    export = _export_graph if chosen.kind == "graph" else _export_weights
    content, probabilities = yield from export(chosen, saved, reference.images)
    verification = compare(reference, probabilities)
    return ExportedFile(name, content, str(verification), card, verification)


def _export_weights(
    chosen: ExportFormat, saved: SavedWeights, images: np.ndarray
) -> Generator[Progress, None, tuple[bytes, np.ndarray]]:
    """A file of weights, and what a network with the weights in it predicts by the card as it would be read."""
    content = find_function(chosen.write)(saved)
    card = read_export_card(saved.card.to_json().encode())
    model = build_exportable(card, find_function(chosen.load)(content, card))
    return content, (yield from predict_in_chunks(predictor(model), to_input(images), PREDICTING))


def _export_graph(
    chosen: ExportFormat, saved: SavedWeights, images: np.ndarray
) -> Generator[Progress, None, tuple[bytes, np.ndarray]]:
    """The file of a graph, and what it predicts when it is loaded back."""
    try:
        with tempfile.TemporaryDirectory(prefix="export-") as name:
            folder = Path(name)
            (folder / WEIGHTS_FILE).write_bytes(write_safetensors(saved))
            np.save(folder / IMAGES_FILE, images)
            yield from export_in_subprocess(chosen.name, folder)
            return (folder / MODEL_FILE).read_bytes(), np.load(folder / PREDICTIONS_FILE)
    except OSError as error:
        raise StudioError(NO_ROOM.format(reason=error.strerror or error)) from None
