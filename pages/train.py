"""One run, live: its curves while it trains, a button that stops it, and what to do next when it has ended."""

import streamlit as st

from cnn_core.config import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.runs.store import Run
from pages.ui.components.live import live_panel
from pages.ui.links import page_file
from pages.ui.server import get_store
from pages.ui.session import choose_run, no_runs_yet, status_badge
from pages.ui.text import plain


def show_controls(run: Run) -> None:
    """Status and what can be done with the run in that state."""
    with st.container(horizontal=True, vertical_alignment="center"):
        status_badge(run)
        if run.is_active and st.button(
            "Stop", icon=":material/stop:", help="Ends training within two seconds and keeps the best model so far."
        ):
            get_store().request_stop(run.id)
            st.toast("Stopping. What was learned is kept.", icon=":material/stop_circle:")
        if run.can_go_on and st.button(
            "Go on", icon=":material/resume:", help="Trains on from the last checkpoint, with the same settings and images."
        ):
            go_on(run)
        if get_store().has_model(run.id):
            st.page_link(page_file("evaluate"), label="Evaluate", icon=":material/fact_check:", query_params={"run": run.id})
            st.page_link(
                page_file("gallery"), label="Try it in the gallery", icon=":material/gesture:", query_params={"run": run.id}
            )


def go_on(run: Run) -> None:
    """Put a run that ended before it was done back into the queue."""
    try:
        get_store().resume(run.id)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.rerun()


def show_settings(run: Run) -> None:
    with st.expander("Settings of this run"):
        rows = {field.title: getattr(run.config, name) for name, field in TrainConfig.model_fields.items()}
        rows["Data version"] = get_store().data_version(run.id) or "known when it begins"
        st.table({"Setting": list(rows), "Value": [plain(value) for value in rows.values()]})


st.title("Train")
runs = get_store().runs()
if not runs:
    no_runs_yet("to watch")
else:
    run = choose_run(runs)
    show_controls(run)
    if run.status == "failed":
        st.error(plain(run.error), icon=":material/error:")
    if run.status == "interrupted":
        st.warning("The process that trained this run has ended before it was done. Its best model so far can be used; Go on trains it to the end from its last checkpoint.", icon=":material/power_off:")  # fmt: skip
    live_panel(run)
    show_settings(run)
