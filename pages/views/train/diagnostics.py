"""Diagnostics of a run: each finding with its numbers, and a button that opens the form with the suggested settings.

In: a run's history. Out: findings, strongest first. The first one is shown above the curves, or, once the run is completed, as one of the
next steps of its result; the others are behind an expander.
"""

from threading import Lock

import streamlit as st

from cnn_core.config.suggestions import describe_changes, with_changes
from cnn_core.runs.diagnostics import diagnose_run
from cnn_core.runs.finding import Finding
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted
from pages.charts.components.announcer import announce
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

NO_PROBLEM = "Diagnostics: no problem found in {epochs}."
HELP = "Rules check the curves of this run for common problems. A finding is a hint, not a proof."
ANNOUNCEMENT = "Diagnostics: {findings}."
POLL_SECONDS = 20  # while the run trains; every session reads for itself


class RunDiagnosis:
    """A run's history and findings, updated with new events: one for all sessions."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._lock = Lock()

    def update(self, store: Store, run: Run) -> tuple[int, list[Finding]]:
        """Read new events; return the number of epochs and the findings."""
        if run.parent and not run.is_active and not store.has_begun(run.id):  # all of its events are of its parent
            return 0, []
        with self._lock:
            self._history = self._history or read_history(store, run.id)
            self._history.add(store.log.read(run.id, self._history.seq))
            return len(self._history.epochs), diagnose_run(store, run, self._history)


@st.cache_resource(max_entries=16, show_spinner=False)
def _run_diagnosis(home: str, run: str, created: float) -> RunDiagnosis:
    return RunDiagnosis()


def find(run: Run) -> tuple[int, list[Finding]]:
    """Return the number of epochs of the run so far and its findings, strongest first."""
    store = get_store()
    return _run_diagnosis(str(store.home.root), run.id, run.created).update(store, run)


def next_proposal(run: Run) -> Finding | None:
    """Return the strongest finding that proposes other settings; None without one."""
    return next((finding for finding in find(run)[1] if finding.changes), None)


def show_diagnostics(run: Run, shown: Finding | None = None) -> None:
    """Show the findings of the run, updated while it trains, except `shown`, which the page shows elsewhere."""
    with st.container(key="diagnostics"):  # a fragment of varying length needs a container of its own
        st.fragment(_show, run_every=POLL_SECONDS if run.is_active else None)(run.id, run.is_active, shown)


def _show(run: str, was_active: bool, shown: Finding | None) -> None:
    row = get_store().run(run)
    if was_active and not row.is_active:
        st.rerun()  # the whole page, without a timer
    epochs, findings = find(row)
    announce(f"findings-{run}", ANNOUNCEMENT.format(findings=", ".join(f.rule for f in findings)) if findings else "")
    if not findings and epochs:
        st.caption(NO_PROBLEM.format(epochs=counted(epochs, "epoch")), help=HELP)
    others = [finding for finding in findings if finding != shown]
    if not others:
        return
    if not shown:
        st.header("Diagnostics", help=HELP)
        show_finding(row, others.pop(0), is_primary=True)
    if others:
        with st.expander(f"{counted(len(others), 'more finding')}", icon=":material/troubleshoot:"):
            for finding in others:
                show_finding(row, finding)


def show_finding(run: Run, finding: Finding, *, is_primary: bool = False) -> None:
    """Show one finding with its button, which is the page's primary action or not."""
    with st.container(border=True):
        describe_finding(run, finding, is_primary=is_primary)


def describe_finding(run: Run, finding: Finding, *, is_primary: bool = False) -> None:
    """Show rule, observation and remedy, and the button that opens the form with the changes."""
    st.markdown(f"**{finding.rule}**")
    st.write(plain(f"{finding.observation} {finding.remedy}"))
    if finding.changes and st.button(
        f"Configure with {plain(finding.summary or describe_changes(finding.changes))}",
        key=f"diagnostics-{run.id}-{finding.rule}",
        type="primary" if is_primary else "secondary",
        icon=":material/tune:",
        help="Opens the form with this change and the other settings of this run. Nothing is started.",
    ):
        fill_form(with_changes(get_store().config_in_force(run.id), finding.changes))
        st.switch_page(page_file("configure"))
