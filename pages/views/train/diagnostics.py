"""The doctor's findings of a run on a page: what is seen, with its numbers, and a button that opens the form with the changed settings."""

from threading import Lock

import streamlit as st

from cnn_core.runs.diagnostics import Finding, diagnose
from cnn_core.runs.digest import read_history
from cnn_core.runs.history import History
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.runs.suggestions import changed, in_words
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

LOOK_SECONDS = 20  # while it trains; what the rules see does not change faster, and every session looks for itself


class Examination:
    """A run's history, read on from where the last look ended: one for all sessions."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._lock = Lock()

    def look(self, store: Store, run: Run) -> tuple[int, list[Finding]]:
        """How many epochs are known, and what stands out in them."""
        with self._lock:
            self._history = self._history or read_history(store, run.id)
            self._history.add(store.log.read(run.id, self._history.seq))
            return len(self._history.epochs), diagnose(self._history, store.config_in_force(run.id), run.error, run.parent_epoch)


@st.cache_resource(max_entries=16, show_spinner=False)
def _examination(home: str, run: str, created: float) -> Examination:
    return Examination()


def show_diagnostics(run: Run) -> None:
    """What the run's numbers say; looked at again now and then while it trains."""
    with st.container(key="doctor"):  # a fragment of one's own place: its length changes
        st.fragment(_show, run_every=LOOK_SECONDS if run.is_active else None)(run.id, run.is_active)


def _show(run: str, was_active: bool) -> None:
    store = get_store()
    row = store.run(run)
    if was_active and not row.is_active:
        st.rerun()  # the whole page, which then looks no more
    epochs, findings = _examination(str(store.home.root), row.id, row.created).look(store, row)
    if not findings and not epochs:
        return
    st.subheader(
        "What stands out", help="Rules over this run's own numbers. They see only what is on the curves, so a finding is a hint."
    )
    if not findings:
        st.caption(
            f"Nothing stands out in {epochs:,} {'epoch' if epochs == 1 else 'epochs'}: no sign of a wrong learning rate, of memorising or of a standstill."
        )
    for finding in findings:
        _show_finding(row, finding)


def _show_finding(run: Run, finding: Finding) -> None:
    with st.container(border=True):
        st.markdown(f"**{finding.rule}**")
        st.write(plain(f"{finding.seen} {finding.remedy}"))
        if finding.changes and st.button(
            f"Open the form with {plain(in_words(finding.changes))}",
            key=f"doctor-{run.id}-{finding.rule}",
            icon=":material/tune:",
            help="All other settings stay as they are in this run. Nothing is started.",
        ):
            fill_form(changed(get_store().config_in_force(run.id), finding.changes))
            st.switch_page(page_file("configure"))
