"""Diagnostics of a run: each finding with its numbers, and a button that opens the form with the suggested settings."""

from threading import Lock

import streamlit as st

from cnn_core.config.suggestions import describe_changes, with_changes
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.finding import Finding
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

NO_PROBLEM = "No problem found in {epochs}: no sign of a wrong learning rate, overfitting or a plateau."
POLL_SECONDS = 20  # while the run trains; every session reads for itself


class RunDiagnosis:
    """A run's history and findings, updated with new events: one for all sessions."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._lock = Lock()

    def update(self, store: Store, run: Run) -> tuple[int, list[Finding]]:
        """Read new events; return the number of epochs and the findings."""
        with self._lock:
            self._history = self._history or read_history(store, run.id)
            self._history.add(store.log.read(run.id, self._history.seq))
            return len(self._history.epochs), diagnose(self._history, store.config_in_force(run.id), run.error, run.parent_epoch)


@st.cache_resource(max_entries=16, show_spinner=False)
def _run_diagnosis(home: str, run: str, created: float) -> RunDiagnosis:
    return RunDiagnosis()


def show_diagnostics(run: Run) -> None:
    """Show the findings of the run, updated while it trains."""
    with st.container(key="diagnostics"):  # a fragment of varying length needs a container of its own
        st.fragment(_show, run_every=POLL_SECONDS if run.is_active else None)(run.id, run.is_active)


def _show(run: str, was_active: bool) -> None:
    store = get_store()
    row = store.run(run)
    if was_active and not row.is_active:
        st.rerun()  # the whole page, without a timer
    epochs, findings = _run_diagnosis(str(store.home.root), row.id, row.created).update(store, row)
    if not findings and not epochs:
        return
    st.subheader("Diagnostics", help="Rules check the curves of this run for common problems. A finding is a hint, not a proof.")
    if not findings:
        st.caption(NO_PROBLEM.format(epochs=counted(epochs, "epoch")))
    for finding in findings:
        _show_finding(row, finding)


def _show_finding(run: Run, finding: Finding) -> None:
    with st.container(border=True):
        st.markdown(f"**{finding.rule}**")
        st.write(plain(f"{finding.observation} {finding.remedy}"))
        if finding.changes and st.button(
            f"Configure with {plain(describe_changes(finding.changes))}",
            key=f"diagnostics-{run.id}-{finding.rule}",
            icon=":material/tune:",
            help="Opens the form with this change and the other settings of this run. Nothing is started.",
        ):
            fill_form(with_changes(get_store().config_in_force(run.id), finding.changes))
            st.switch_page(page_file("configure"))
