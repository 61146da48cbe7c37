"""Imports that are under way: how far each is, a way to end it, and what became of those that ended."""

import time

import streamlit as st

from cnn_core.data.jobs import Job
from cnn_core.data.library import set_title
from cnn_core.errors import StudioError
from pages.shared.people import may_change
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain

WAY, LOOK, ADD = "data-way", "Look at a data set", "Bring your own images"  # what the page is for at the moment
LOOK_SECONDS = 0.5
RECENT_SECONDS = 24 * 3600  # for so long an ended import is still told of


def show_jobs() -> None:
    """Every import that goes on or ended lately; while one goes on, looked at twice a second."""
    jobs = _told()
    if jobs:
        is_active = any(job.is_active for job in jobs)
        with st.container():  # a fragment of one's own place: its length changes
            st.fragment(_show, run_every=LOOK_SECONDS if is_active else None)(is_active)


def _show(was_active: bool) -> None:
    jobs = _told()
    if was_active and not any(job.is_active for job in jobs):
        st.rerun()  # what was imported can now be chosen
    for job in jobs:
        with st.container(border=True):
            _show_job(job)


def _show_job(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.name)}**", width="stretch")
        if job.is_active and may_change(job.owner):
            st.button(
                "Cancel",
                key=f"cancel-{job.id}",
                on_click=get_jobs().cancel,
                args=(job.id,),
                help="Ends it. What was read is kept for when you ask for the same again.",
            )
        elif not job.is_active:
            if job.status == "finished":
                _link(job.name)
            if may_change(job.owner):
                st.button("Dismiss", key=f"forget-{job.id}", on_click=get_jobs().remove, args=(job.id,))
    if job.is_active:
        share = min(1.0, job.done / max(job.total, 1))
        st.progress(share, f"{plain(job.stage) or 'Waiting for its turn'}: {job.done:,} of {job.total:,}")
    elif job.status == "failed":
        st.error(plain(job.error), icon=":material/error:")
    elif job.status == "cancelled":
        st.caption("Cancelled.")


def _link(name: str) -> None:
    try:
        label = f"Look at {set_title(name, get_store().home)}"
    except StudioError:  # removed since
        return
    if st.button(plain(label), key=f"look-{name}", icon=":material/visibility:", on_click=_look_at, args=(name,)):
        st.rerun()  # the whole page, not this fragment alone


def _look_at(name: str) -> None:
    st.session_state[WAY] = LOOK
    st.query_params["set"] = name


def _told() -> list[Job]:
    return [job for job in get_jobs().all() if job.is_active or time.time() - job.changed < RECENT_SECONDS]
