"""Taking runs along: the ticked runs as one zip, made when it is asked for. In: rows of the store. Out: a download."""

import io
from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.export import FORMS, export_runs
from cnn_core.runs.store import Run
from pages.ui.progress import watch
from pages.ui.server import get_store
from pages.ui.text import plain

READY = "exported-runs"
ABOUT = {
    "csv": "Tables for a spreadsheet: settings and figures of all runs, and each run's epochs, reports and steps.",
    "json": "Everything for a program: one file a run.",
    "tensorboard": "Event files: unpack them, and `tensorboard --logdir` on that folder shows the curves.",
}


def show_export(runs: Sequence[Run]) -> None:
    """Choose a form, make the zip, download it."""
    form = st.segmented_control("Form", tuple(FORMS), default="csv", required=True, key="export-form")
    st.caption(ABOUT[form])
    asked = (form, *(run.id for run in runs))
    made = st.session_state.get(READY)
    if not made or made[0] != asked:
        if st.button(f"Make the file of {len(runs)}", icon=":material/folder_zip:"):
            _make(asked, runs, form)
        return
    st.download_button(
        f"Download ({len(made[1]) / 1e6:,.1f} MB)",
        made[1],
        file_name=f"runs-{form}.zip",
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def _make(asked: tuple[str, ...], runs: Sequence[Run], form: str) -> None:
    file = io.BytesIO()
    try:
        watch(export_runs(get_store(), runs, form, file))
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[READY] = (asked, file.getvalue())
    st.rerun()
