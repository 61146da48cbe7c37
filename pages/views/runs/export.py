"""Taking runs along: the ticked runs as one zip, made when it is asked for. In: rows of the store. Out: a download."""

import io
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.history_export import FORMS, export_runs
from cnn_core.runs.run import Run
from pages.shared.progress import watch
from pages.shared.server import get_store
from pages.shared.text import plain, size_in_words

READY = "exported-runs"
NAMES = {"csv": "CSV", "json": "JSON", "tensorboard": "TensorBoard"}
ABOUT = {
    "csv": "Tables for a spreadsheet: settings and figures of all runs, and each run's epochs, reports and steps.",
    "json": "Everything for a program: one file a run.",
    "tensorboard": "Event files: unpack them, and `tensorboard --logdir` on that folder shows the curves.",
}


def show_export(runs: Sequence[Run]) -> None:
    """Choose a form, make the zip, download it. One that was made is kept until other runs or another form are asked for."""
    form = st.segmented_control("Form", tuple(FORMS), default="csv", required=True, key="export-form", format_func=NAMES.get)
    st.caption(ABOUT[form])
    asked = (form, *((run.id, run.status, run.name, run.notes, run.tags) for run in runs))
    made = st.session_state.get(READY)
    if not made or made[0] != asked:
        st.session_state.pop(READY, None)
        if st.button(f"Make the file of {len(runs)}", icon=":material/folder_zip:"):
            _make(asked, runs, form)
        return
    st.download_button(
        f"Download ({size_in_words(len(made[1]))})",
        made[1],
        file_name=f"runs-{form}.zip",
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )

    if any(run.is_active for run in runs):
        st.caption(f"As it was at {made[2]}; some of these runs have gone on since.")
        if st.button("Make it again", icon=":material/refresh:"):
            _make(asked, runs, form)


def _make(asked: tuple[Any, ...], runs: Sequence[Run], form: str) -> None:
    file, now = io.BytesIO(), time.strftime("%H:%M:%S")
    try:
        watch(export_runs(get_store(), runs, form, file))
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[READY] = (asked, file.getvalue(), now)
    st.rerun()
