"""One run, live: its curves while it trains, buttons that steer it, and what to do next when it has ended."""

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.runs.run import Run
from pages.charts.components.live import live_panel
from pages.shared.form_link import show_link
from pages.shared.run_selection import choose_run, no_runs_yet
from pages.shared.server import get_store
from pages.shared.start_run import clear_submission_key
from pages.shared.text import plain
from pages.views.train.controls import branch_from, show_controls, show_family
from pages.views.train.diagnostics import show_diagnostics
from pages.views.train.tracked_images import show_tracked_images


def show_settings(run: Run) -> None:
    config = get_store().config_in_force(run.id)
    with st.expander("Settings of this run"):
        rows = {field.title: getattr(config, name) for name, field in TrainConfig.model_fields.items()}
        rows["Data version"] = get_store().data_version(run.id) or "known when it begins"
        show_link(config.model_dump(), "Link to these settings")
        st.table({"Setting": list(rows), "Value": [plain(value) for value in rows.values()]})


st.title("Train")
clear_submission_key()
runs = get_store().runs()
if not runs:
    no_runs_yet("to watch")
else:
    run = choose_run(runs)
    show_controls(run)
    show_family(run)
    if run.status == "failed":
        st.error(plain(run.error), icon=":material/error:")
    if run.status == "interrupted":
        st.warning("The process that trained this run has ended before it was done. Its best model so far can be used; Go on trains it to the end from its last checkpoint.", icon=":material/power_off:")  # fmt: skip
    if epoch := live_panel(run):
        branch_from(run, epoch)
    show_diagnostics(run)
    show_tracked_images(run)
    show_settings(run)
