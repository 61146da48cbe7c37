"""Imports in the background: the progress of each, a button to cancel it, and the result of those that ended."""

import time
from functools import partial

import streamlit as st

from cnn_core.data.conversions import describe_conversions
from cnn_core.data.imported import ImportedSource
from cnn_core.data.jobs import Job
from cnn_core.data.library import set_title
from cnn_core.data.skipped import SEE_VIEW, describe_imported, describe_skipped
from cnn_core.errors import StudioError
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_jobs, get_store
from pages.shared.split_question import ask_validation_use
from pages.shared.text import plain

MODE, VIEW_SETS, IMPORT_IMAGES, STORAGE = "data-mode", "Data sets", "Import images", "Storage"
REFRESH_SECONDS = 0.5
RECENT_SECONDS = 24 * 3600  # for so long an ended import is shown


def show_jobs() -> None:
    """Show every running or recently ended import; refreshed twice a second while one is running."""
    jobs = _recent_jobs()
    if jobs:
        is_active = any(job.is_active for job in jobs)
        with st.container():  # a fragment of varying length needs a container of its own
            st.fragment(_show, run_every=REFRESH_SECONDS if is_active else None)(is_active)


def _show(was_active: bool) -> None:
    jobs = _recent_jobs()
    if was_active != any(job.is_active for job in jobs):
        st.rerun()  # the imported data set can now be chosen, or an answered import is refreshed from now on
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
                help="Cancels the import. Images decoded so far are reused when you start the same import again.",
            )
        elif not job.is_active:
            if job.status == "finished":
                _show_link(job.name)
            if may_change(job.owner):  # of one that asks, the upload is removed too
                st.button("Dismiss", key=f"dismiss-{job.id}", on_click=get_jobs().remove, args=(job.id,))
    if job.is_active:
        fraction = min(1.0, job.done / max(job.total, 1))
        count = f": {job.done:,} of {job.total:,}" if job.total > 1 else ""
        st.progress(fraction, f"{plain(job.stage) or 'Queued'}{count}")
    elif job.question:
        if may_change(job.owner):
            ask_validation_use(job.question, f"answer-{job.id}", partial(get_jobs().answer, job.id))
        else:
            show_owner(job.owner)
    elif job.status == "failed":
        st.error(plain(job.error), icon=":material/error:")
    elif job.status == "cancelled":
        st.caption("Cancelled.")
    else:
        _show_account(job.name)


def _show_account(name: str) -> None:
    """Show what the import took and skipped; nothing for a data set that was removed since."""
    try:
        source = ImportedSource(get_store().home.set_folder(name))
        st.caption(" ".join(filter(None, [describe_imported(source), describe_conversions(source.index)])))
        skipped = describe_skipped(source.index, SEE_VIEW)
    except StudioError:
        return
    if skipped:
        st.warning(plain(skipped), icon=":material/warning:")


def _show_link(name: str) -> None:
    try:
        label = f"View {set_title(name, get_store().home)}"
    except StudioError:  # removed since
        return
    if st.button(plain(label), key=f"view-{name}", icon=":material/visibility:", on_click=_open_set, args=(name,)):
        st.rerun()  # the whole page, not this fragment alone


def _open_set(name: str) -> None:
    st.session_state[MODE] = VIEW_SETS
    st.query_params["set"] = name


def _recent_jobs() -> list[Job]:
    return [job for job in get_jobs().all() if job.is_active or job.question or time.time() - job.changed < RECENT_SECONDS]
