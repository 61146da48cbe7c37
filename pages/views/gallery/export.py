"""The Export view: the run's model in formats for other programs.

A file is created on request and offered only if its predictions equal those of this page. It is cached for the session until the weights, the
calibration or the run's summary change.
"""

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.events import Progress
from cnn_core.export.formats import FORMATS, GRAPH_FORMATS, MODEL_FORMATS, ExportFormat
from cnn_core.inference.confidence import load_calibration, model_key
from cnn_core.runs.run import Run
from cnn_core.text import format_bytes
from pages.shared import cache
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.export.model_file import ExportedFile

TITLE = "Export"
DEFAULT_BUNDLE = ["onnx", "safetensors"]
GRAPHS = " or ".join(graph.title for graph in GRAPH_FORMATS.values())
BUNDLE_FILES, MODEL_CARD = "Files in bundle", "Model card"
GRAPH_MISSING = f"Add {GRAPHS}: the bundle needs a file that predicts without this program."


def show_export(run: Run) -> None:
    """Show the view."""
    st.caption(
        "The best model of this run, for other programs. Each model file is verified before it is offered: loaded again, its predictions for up to "
        "1,000 images must equal those of this page."
    )
    columns = st.grid(min(3, len(FORMATS)), min_column_width=300)
    for chosen in FORMATS.values():
        with columns.container(border=True, height="stretch"):
            st.subheader(chosen.title)
            st.write(chosen.about)
            st.caption(chosen.needs)
            _show_file(run, chosen, _choose_files() if chosen.kind == "bundle" else ())


def button_of(chosen: ExportFormat) -> str:
    """Return the label of a format's button: "Create bundle", "Create ONNX"."""
    return f"Create {chosen.title if chosen.kind == 'graph' else chosen.title.lower()}"


def _choose_files() -> tuple[str, ...]:
    """Return the model files that go into the bundle."""
    chosen = st.pills(
        BUNDLE_FILES,
        list(MODEL_FORMATS),
        selection_mode="multi",
        default=DEFAULT_BUNDLE,
        format_func=lambda name: FORMATS[name].title,
        help=f"The model files in the bundle. Its script check.py predicts with {GRAPHS}, so choose at least one of them.",
    )
    return tuple(name for name in MODEL_FORMATS if name in chosen)


def _show_file(run: Run, chosen: ExportFormat, bundled: tuple[str, ...]) -> None:
    """Show the button that creates the file or, once it is created, the download buttons."""
    is_enough = chosen.kind != "bundle" or any(name in GRAPH_FORMATS for name in bundled)
    if not is_enough:
        st.caption(GRAPH_MISSING)
    button = partial(
        st.button,
        button_of(chosen),
        icon=f":material/{chosen.icon}:",
        key=f"make-{chosen.name}-{run.id}",
        disabled=not is_enough,
    )
    cache.compute_or_offer(
        cache.MODEL_FILES,
        chosen.name,
        _version(run, bundled),
        button,
        lambda: _export(run, chosen, bundled),
        lambda exported: _offer(run, chosen, exported),
    )


def _version(run: Run, bundled: tuple[str, ...]) -> str:
    """Return a text that changes with the file's content: weights, calibration, summary of the run, files of the bundle."""
    folder = get_store().home.run_folder(run.id)
    return f"{run.id} {model_key(folder)} {load_calibration(folder)} {run.summary} {bundled}"


def _export(run: Run, chosen: ExportFormat, bundled: tuple[str, ...]) -> "Generator[Progress, None, ExportedFile]":
    yield Progress("Loading libraries", 0, 1)
    from cnn_core.export.exporter import export_run  # loads torch

    return (yield from export_run(get_store(), run, chosen.name, bundled))


def _offer(run: Run, chosen: ExportFormat, exported: "ExportedFile") -> None:
    if exported.verification:
        st.success(plain(exported.note), icon=":material/verified:")
    with st.container(horizontal=True):
        name, size = f"{run.id}{chosen.suffix}", format_bytes(len(exported.content))
        _download(chosen, f"Download ({size})", exported.content, name, chosen.mime)
        if exported.card and chosen.kind == "weights":
            _download(chosen, MODEL_CARD, exported.card.to_json(), f"{run.id}.json", "application/json", is_first=False)


def _download(chosen: ExportFormat, label: str, content: bytes | str, name: str, mime: str, is_first: bool = True) -> None:
    st.download_button(
        label,
        content,
        file_name=name,
        mime=mime,
        icon=":material/download:" if is_first else ":material/description:",
        type="primary" if is_first else "secondary",
        on_click="ignore",
        key=f"take-{chosen.name}-{name}-{label}",
    )
