"""The Many images view: classify a zip archive, or a folder or archive on the server, and show the results and a table.

The table is a file in its own folder in the home's uploads. It is deleted with the session and when other images are classified. Folders that
a crashed server left are deleted at a later upload.
"""

import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.archive import show_name
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from pages.shared.people import may_read_paths, person
from pages.shared.progress import CANCELLED, run_with_progress
from pages.shared.run_models import compare_with_training, get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.many_results import show_results

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.inference.predictions import PredictionSummary

TITLE = "Many images"
RESULT, UPLOADER_NUMBER = "many-result", "many-uploader-number"
ZIP, PATH = "Zip archive", "Path on the server"
CLASSIFY = "Classify all"
EMPTY_TEXT = "Choose a zip archive or a folder on the server, then press “Classify all”."
CANCELLED_TEXT = "Cancelled. No results were saved. Press “Classify all” to start again."
REFUSED = "Nothing was classified."
Source = Callable[[], tuple[Path, bool]]  # returns the path, and whether it is a copy of an upload


@dataclass(eq=False)
class BatchClassification:
    """The results of run `run` for the images of `title`, and the folder with the table, which is deleted with this object."""

    run: str
    title: str
    summary: "PredictionSummary"
    folder: Path

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def table(self) -> Path:
        """The CSV file."""
        return self.folder / "predictions.csv"


def show_many_images(run: Run) -> None:
    """Show the view."""
    classifier = get_classifier(run)
    st.caption(
        "Classifies all images of a zip archive or a folder, with its sub-folders. Files that cannot be read are listed with the reason. Stay on this "
        "page until the classification is complete."
    )
    source = _choose()
    is_requested = st.button(
        CLASSIFY,
        type="primary",
        icon=":material/play_arrow:",
        disabled=source is None,
        on_click=st.session_state.pop,
        args=(CANCELLED, None),
        key="classify-all",
    )
    if is_requested and source:
        _classify(run, classifier, source)
    elif st.session_state.get(CANCELLED) == work_name(run):
        st.info(CANCELLED_TEXT, icon=":material/close:")
    result = st.session_state.get(RESULT)
    if result and result.run == run.id and result.table.exists():
        show_results(result.title, result.summary, classifier.calibration, result.table)


def _choose() -> Source | None:
    """Show the inputs and return the source of the images; None until it is chosen."""
    inputs = {ZIP: _zip, **({PATH: _path} if may_read_paths() else {})}
    chosen = st.segmented_control("Source", list(inputs), default=ZIP, required=True, key="many-source")
    source = inputs[chosen or ZIP]()
    if source is None and RESULT not in st.session_state:
        st.info(EMPTY_TEXT, icon=":material/photo_library:")
    return source


def _zip() -> Source | None:
    key = f"many-zip-{st.session_state.get(UPLOADER_NUMBER, 0)}"
    file = st.file_uploader(ZIP, type="zip", max_upload_size=1024, key=key, help="Up to 1 GB and 100,000 files.")
    return (lambda: (uploads.save_zip(file, file.name, get_store().home, person()), True)) if file else None


def _path() -> Source | None:
    path = st.text_input(
        "Folder or zip archive",
        placeholder="/home/me/images",
        key="many-path",
        help="A path on the machine that runs the dashboard.",
    ).strip()
    return (lambda: (Path(path).expanduser().absolute(), False)) if path else None


def _classify(run: Run, classifier: "Classifier", source: Source) -> None:
    """Classify all images and replace the previous results; show an error if the source is refused."""
    copies: list[Path] = []
    try:
        with st.spinner("Reading the files…"):
            path, is_upload = source()
        copies += [path.parent] if is_upload else []
        compare_with_training(run)
        st.session_state.pop(RESULT, None)  # not earlier, so that a refused path does not remove the previous results
        st.session_state[RESULT] = classify_path(run, classifier, path)
    except (StudioError, RuntimeError) as error:  # RuntimeError: a home directory that does not exist (~nobody)
        st.error(f"{REFUSED} {plain(error)}", icon=":material/error:")
        return
    finally:
        for folder in copies:
            shutil.rmtree(folder, ignore_errors=True)
    if copies:  # a new uploader frees the memory of the uploaded file
        st.session_state[UPLOADER_NUMBER] = st.session_state.get(UPLOADER_NUMBER, 0) + 1
    st.rerun()


def classify_path(run: Run, classifier: "Classifier", path: Path) -> BatchClassification:
    """Classify the images at `path` with progress. Raises StudioError. If it ends early, no file is left."""
    from cnn_core.inference.many_images import classify_many

    folder = uploads.create_upload_folder(get_store().home, person())
    try:
        summary = run_with_progress(classify_many(path, classifier, folder / "predictions.csv"), work_name(run))
    except BaseException:  # Cancel is not an Exception
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return BatchClassification(run.id, show_name(path.name), summary, folder)


def work_name(run: Run) -> str:
    """Return the name under which the classification is cancelled."""
    return f"many-{run.id}"
