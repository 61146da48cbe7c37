"""Exporting the ticked runs as one zip, which is made at the press of a button. In: rows of the store. Out: a download."""

import io
import time
from collections.abc import Generator, Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st

from cnn_core.events import Progress
from cnn_core.runs.history_export import FORMS, export_runs
from cnn_core.runs.run import Run
from pages.shared import cache
from pages.shared.server import get_store
from pages.shared.text import format_size

NAMES = {"csv": "CSV", "json": "JSON", "tensorboard": "TensorBoard"}
ABOUT = {
    "csv": "Tables for a spreadsheet: settings and metrics of all runs, and each run's epochs, reports and steps.",
    "json": "Everything for a program: one file per run.",
    "tensorboard": "Event files: unpack them, and show the curves with `tensorboard --logdir` and the folder.",
}


class RunsFile(NamedTuple):
    """The zip, and the time of day at which it was made."""

    content: bytes
    time: str


def show_export(runs: Sequence[Run]) -> None:
    """Choose a format, make the zip and download it. It stays until other runs or another format are chosen."""
    form = st.segmented_control(
        "Format", tuple(FORMS), default="csv", required=True, key="export-form", format_func=NAMES.__getitem__
    )
    form = form or "csv"
    st.caption(ABOUT[form])
    version = (form, *((run.id, run.status, run.name, run.notes, run.tags) for run in runs))
    button = partial(st.button, f"Make the file of {len(runs)}", icon=":material/folder_zip:", key="make-runs-file")
    cache.compute_or_offer(
        cache.RUN_FILES, "zip", version, button, lambda: _export(runs, form), lambda file: _offer(file, version, runs, form)
    )


def _offer(file: RunsFile, version: tuple[object, ...], runs: Sequence[Run], form: str) -> None:
    st.download_button(
        f"Download ({format_size(len(file.content))})",
        file.content,
        file_name=f"runs-{form}.zip",
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )
    if any(run.is_active for run in runs):
        st.caption(f"Made at {file.time}; some of these runs have continued since.")
        if st.button("Make it again", icon=":material/refresh:") and cache.compute(
            cache.RUN_FILES, "zip", version, _export(runs, form)
        ):
            st.rerun()


def _export(runs: Sequence[Run], form: str) -> Generator[Progress, None, RunsFile]:
    file, now = io.BytesIO(), time.strftime("%H:%M:%S")
    yield from export_runs(get_store(), runs, form, file)
    return RunsFile(file.getvalue(), now)
