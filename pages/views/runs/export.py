"""Exporting the histories of the selected runs as one zip, created at the press of a button. In: runs. Out: a download."""

import io
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.history_export import FORMATS, export_runs
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_bytes
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain

FILE_KEY = "exported-runs"
NAMES = {"csv": "CSV", "json": "JSON", "tensorboard": "TensorBoard"}
TEST_NOTE = "The file contains test accuracies. Each of these models is therefore counted as evaluated on the test set."
DESCRIPTIONS = {
    "csv": "Tables for a spreadsheet: settings and metrics of all runs, and the epochs, reports (about four a second) and steps of each run.",
    "json": "All data in one JSON file for each run, for use in programs.",
    "tensorboard": "TensorBoard event files. Unpack the zip archive and run `tensorboard --logdir` with its folder.",
}


def show_export(runs: Sequence[Run]) -> None:
    """Show the choice of a format, and the buttons that create and download the zip, which is available until other runs or another format are chosen."""
    format = st.segmented_control(
        "Format", tuple(FORMATS), default="csv", required=True, key="export-form", format_func=NAMES.__getitem__
    )
    assert format is not None, "a segmented control with required=True has a value"
    st.caption(DESCRIPTIONS[format])
    st.caption(TEST_NOTE)
    version = (format, *((run.id, run.status, run.name, run.notes, run.tags) for run in runs))
    created = st.session_state.get(FILE_KEY)
    if not created or created[0] != version:
        st.session_state.pop(FILE_KEY, None)
        if st.button(f"Export {counted(len(runs), 'run')}", key="export-create", icon=":material/folder_zip:"):
            _create(version, runs, format)
        return
    st.download_button(
        f"Download ({format_bytes(len(created[1]))})",
        created[1],
        file_name=f"runs-{format}.zip",
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )

    if any(run.is_active for run in runs):
        st.caption(f"Created at {created[2]}. Some of these runs are still training, so the file may be out of date.")
        if st.button("Create again", key="export-again", icon=":material/refresh:"):
            _create(version, runs, format)


def _create(version: tuple[Any, ...], runs: Sequence[Run], format: str) -> None:
    file, now = io.BytesIO(), time.strftime("%H:%M:%S")
    try:
        run_with_progress(export_runs(get_store(), runs, format, file))
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[FILE_KEY] = (version, file.getvalue(), now)
    st.rerun()
