"""The Train page: one run live. Its status, result and diagnostics are above the curves, what is needed less often in tabs below them."""

import streamlit as st

from pages.charts.components.announcer import announce
from pages.charts.components.live import live_panel
from pages.shared.people import may_change
from pages.shared.run_selection import STATUS, choose_run, no_runs_yet, status_badge
from pages.shared.server import get_store
from pages.shared.start_run import clear_submission_key
from pages.shared.status_channel import active_statuses
from pages.shared.text import plain
from pages.views.train.controls import branch_dialog, show_branches, show_controls
from pages.views.train.diagnostics import find, next_proposal, show_diagnostics
from pages.views.train.more import show_more
from pages.views.train.result import show_main_mistake, show_result

INTERRUPTED = "The process that trained this run ended unexpectedly."
RESUME_IT, MODEL_IS_SAVED = "Choose Resume to continue.", "The best model so far is saved."
ANNOUNCEMENT = "Run {run}: {status}."  # read by screen readers when the status changes

st.title("Train")
clear_submission_key()
runs = get_store().runs()
if not runs:
    no_runs_yet("to watch")
else:
    run = choose_run(runs)
    is_completed = run.status == "finished"
    controls, above = st.container(horizontal=True, vertical_alignment="center"), st.container()
    # All texts about the run's status come from this run of the script, and reach the browser together: nothing slow is between them.
    with controls:
        status_badge(run)
    label = STATUS[run.status][2]
    epoch = live_panel(run, label.capitalize(), active_statuses(runs))
    announce(f"status-{run.id}", ANNOUNCEMENT.format(run=run.id, status=label))
    proposal = next_proposal(run)
    with controls:
        show_controls(run, has_primary=is_completed or proposal is not None)
    with above:
        show_branches(run)
        # A finding that begins with the error says it with the remedy and a button for it: then the error is not said twice.
        if run.status == "failed" and not (proposal and proposal.observation.startswith(run.error.partition(". ")[0])):
            st.error(plain(run.error), icon=":material/error:")
        if run.status == "interrupted":
            remedy, saved = may_change(run.owner) and RESUME_IT, get_store().has_model(run.id) and MODEL_IS_SAVED
            st.warning(" ".join(text for text in (INTERRUPTED, remedy, saved) if text), icon=":material/power_off:")
        mistake = show_result(run, proposal) if is_completed else None
        if run.status != "failed" or find(run)[1]:  # "no problem found" would contradict the error
            show_diagnostics(run, proposal if is_completed else None)
    if epoch:
        branch_dialog(run, epoch)
    show_more(run)
    if mistake and get_store().has_model(run.id):  # last: it may take some time
        show_main_mistake(run, mistake)
