"""The Train page: one run live, with its curves, controls, diagnostics, tracked images and settings."""

import streamlit as st

from cnn_core.config.schema import settings_in_effect, title, value_text
from cnn_core.runs.run import Run
from pages.charts.components.announcer import announce
from pages.charts.components.live import live_panel
from pages.shared.form_link import show_link
from pages.shared.run_selection import STATUS, choose_run, no_runs_yet
from pages.shared.server import get_store
from pages.shared.start_run import clear_submission_key
from pages.shared.text import plain
from pages.views.train.controls import branch_dialog, show_branches, show_controls
from pages.views.train.diagnostics import next_proposal, show_diagnostics
from pages.views.train.result import show_main_mistake, show_result
from pages.views.train.tracked_images import show_tracked_images


def show_settings(run: Run) -> None:
    """Show the settings of the run that have an effect, those at its start where they were changed later, and a link to them."""
    config = get_store().config_in_force(run.id)
    now, before = settings_in_effect(config), settings_in_effect(run.config)
    with st.expander("Settings"):
        show_link(config.model_dump(), "Link to these settings")
        if now != before:
            names = [name for name in (now | before) if now.get(name) != before.get(name)]
            st.caption(CHANGED_LATER)
            columns = {"In force": now, AT_START: before}
            shown = {column: [plain(value_text(name, of.get(name))) for name in names] for column, of in columns.items()}
            st.table({"Setting": [title(name) for name in names]} | shown)
        rows = {title(name): value_text(name, value) for name, value in now.items()}
        rows["Data version"] = get_store().data_version(run.id) or "unknown until the run starts"
        st.table({"Setting": list(rows), "Value": [plain(value) for value in rows.values()]})


AT_START = "At the start"
CHANGED_LATER = "These settings were changed while the run trained."
INTERRUPTED = "The process that trained this run ended unexpectedly. Choose Resume to continue from the last checkpoint. The best model so far is saved."
ANNOUNCEMENT = "Run {run}: {status}."  # read by screen readers when the status changes

st.title("Train")
clear_submission_key()
runs = get_store().runs()
if not runs:
    no_runs_yet("to watch")
else:
    run = choose_run(runs)
    is_completed = run.status == "finished"
    proposal = next_proposal(run)
    show_controls(run, has_primary=is_completed or proposal is not None)
    announce(f"status-{run.id}", ANNOUNCEMENT.format(run=run.id, status=STATUS[run.status][2]))
    show_branches(run)
    if run.status == "failed":
        st.error(plain(run.error), icon=":material/error:")
    if run.status == "interrupted":
        st.warning(INTERRUPTED, icon=":material/power_off:")
    mistake = show_result(run, proposal) if is_completed else None
    show_diagnostics(run, proposal if is_completed else None)
    if epoch := live_panel(run):
        branch_dialog(run, epoch)
    show_tracked_images(run)
    show_settings(run)
    if mistake and get_store().has_model(run.id):  # last: it may take some time
        show_main_mistake(run, mistake)
