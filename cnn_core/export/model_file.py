"""Model files: a run's best model in one format, verified before it is returned.

In: a run and a format. Out: an ExportedFile, with Progress. A graph is exported and loaded again in a separate process; a file of weights is
loaded again in this one.
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
    """A file of one format. `note`: a message about it. Model files and bundles have a card and a verification."""

    name: str
    content: bytes
    note: str = ""
    card: ExportCard | None = None
    verification: Verification | None = None


def export_model(store: Store, run: Run, name: str) -> Generator[Progress, None, ExportedFile]:
    """Export the run's best model in the format `name`, one of MODEL_FORMATS. Yields Progress.

    Raises StudioError, also if the predictions of the file differ from those of the program.
    """
    card = make_card(store, run)
    reference = yield from predict_reference(store, run)
    return (yield from export_verified(store, card, name, reference))


def export_verified(
    store: Store, card: ExportCard, name: str, reference: ReferencePredictions
) -> Generator[Progress, None, ExportedFile]:
    """Export and verify the model of `card` with the program's predictions `reference`. Yields Progress. Raises StudioError."""
    saved, chosen = read_saved_weights(store.home.run_folder(card.run), card), FORMATS[name]
    export = _export_graph if chosen.kind == "graph" else _export_weights
    content, probabilities = yield from export(chosen, saved, reference.images)
    verification = compare(reference, probabilities)
    return ExportedFile(name, content, str(verification), card, verification)


def _export_weights(
    chosen: ExportFormat, saved: SavedWeights, images: np.ndarray
) -> Generator[Progress, None, tuple[bytes, np.ndarray]]:
    """Return a file of weights, and the probabilities that a network with these weights predicts, (N, classes)."""
    content = find_function(chosen.write)(saved)
    card = read_export_card(saved.card.to_json().encode())
    model = build_exportable(card, find_function(chosen.load)(content, card))
    return content, (yield from predict_in_chunks(predictor(model), to_input(images), PREDICTING))


def _export_graph(
    chosen: ExportFormat, saved: SavedWeights, images: np.ndarray
) -> Generator[Progress, None, tuple[bytes, np.ndarray]]:
    """Return the file of a graph, and the probabilities that it predicts when it is loaded again, (N, classes)."""
    try:
        with tempfile.TemporaryDirectory(prefix="export-") as name:
            folder = Path(name)
            (folder / WEIGHTS_FILE).write_bytes(write_safetensors(saved))
            np.save(folder / IMAGES_FILE, images)
            yield from export_in_subprocess(chosen.name, folder)
            return (folder / MODEL_FILE).read_bytes(), np.load(folder / PREDICTIONS_FILE)
    except OSError as error:
        raise StudioError(NO_ROOM.format(reason=error.strerror or error)) from None
