"""Exporting the histories of the selected runs as one zip, created at the press of a button. In: runs. Out: a download."""

import io
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.history_export import FORMATS, export_runs
from cnn_core.runs.run import Run
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import format_size, plain

FILE_KEY = "exported-runs"
NAMES = {"csv": "CSV", "json": "JSON", "tensorboard": "TensorBoard"}
TEST_NOTE = "The file contains test accuracies, so each of these models is counted as evaluated on the test set."
DESCRIPTIONS = {
    "csv": "Tables for a spreadsheet: settings and metrics of all runs, and each run's epochs, reports and steps.",
    "json": "All data for a program: one file for each run.",
    "tensorboard": "Event files. Unpack them and run `tensorboard --logdir` on that folder.",
}


def show_export(runs: Sequence[Run]) -> None:
    """Choose a format, create the zip, download it. The zip is kept until other runs or another format are chosen."""
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
        if st.button(f"Create file ({len(runs)})", key="export-create", icon=":material/folder_zip:"):
            _create(version, runs, format)
        return
    st.download_button(
        f"Download ({format_size(len(created[1]))})",
        created[1],
        file_name=f"runs-{format}.zip",
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )

    if any(run.is_active for run in runs):
        st.caption(f"Created at {created[2]}. Some of these runs have trained since then.")
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
