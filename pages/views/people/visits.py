"""The table of people: the page that each opened last, exercises, runs and disk space."""

import time

import streamlit as st

from cnn_core.lessons.attempts import completed_exercises
from cnn_core.lessons.exercises import EXERCISES
from pages.shared.server import get_directory, get_store

REFRESH_SECONDS = 5.0
NOBODY = "Nobody has opened a page yet. Tell the class the address of this server."


@st.fragment(run_every=REFRESH_SECONDS)
def show_people() -> None:
    """Show one row for each person, the one seen last first; refreshed by itself."""
    visits, store = get_directory().visits(), get_store()
    if not visits:
        st.info(NOBODY, icon=":material/groups:")
        return
    runs = store.runs()
    own = {visit.id: [run for run in runs if run.owner == visit.id] for visit in visits}
    st.dataframe(
        {
            "Person": [visit.name for visit in visits],
            "Last page": [visit.page for visit in visits],
            "Last seen": [time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(visit.seen)) for visit in visits],
            "Exercises": [len(completed_exercises(store, visit.id)) for visit in visits],
            "Runs": [len(own[visit.id]) for visit in visits],
            "Waiting": [sum(run.status == "queued" for run in own[visit.id]) for visit in visits],
            "Disk": [_used_megabytes(str(store.home.root), visit.id) for visit in visits],
        },
        hide_index=True,
        column_config={
            "Last seen": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss", help="When the person last opened or changed a page."),
            "Exercises": st.column_config.NumberColumn(format="%d", help=f"Completed exercises, of {len(EXERCISES)}."),
            "Disk": st.column_config.NumberColumn(format="%.1f MB", help="Disk space of the person's runs and images."),
        },
        key="people-visits",
    )  # fmt: skip


@st.cache_data(ttl=20, max_entries=200, show_spinner=False)
def _used_megabytes(home: str, owner: str) -> float:
    return get_store().quota.used_bytes(owner) / 1e6
