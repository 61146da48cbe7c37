"""The runs that train or wait, with their owner, and Stop for each."""

import streamlit as st

from cnn_core.runs.run import TRAINING, Run
from pages.shared.links import page_file
from pages.shared.people import owner_name
from pages.shared.run_selection import linked_name, status_badge
from pages.shared.server import get_store

REFRESH_SECONDS = 5.0
EMPTY = "No run trains or waits."


@st.fragment(run_every=REFRESH_SECONDS)
def show_active_runs() -> None:
    """Show the training runs and then the waiting ones in the order in which they are trained; refreshed by itself."""
    store = get_store()
    st.header("Queue")
    active = {run.id: run for run in store.runs() if run.is_active}
    order = [run for run in active if active[run].status in TRAINING] + [run for run in store.queue.waiting() if run in active]
    if not order:
        st.caption(EMPTY)
    for run in order:
        _show(active[run])


def _show(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(page_file("train"), label=linked_name(run), query_params={"run": run.id})
        st.text(owner_name(run.owner) or "–")
        status_badge(run)
        st.button("Stop", key=f"people-stop-{run.id}", icon=":material/stop:", on_click=get_store().requests.stop, args=(run.id,))
