"""Imports in the background: the progress of each, a button to cancel it, and the result of those that ended.

The next import replaces the results of those before it, and opening an imported data set closes its result. A failure is shown everywhere on
the Data page until then; a success only where the import was watched, and beside the import form.
"""

import time
from functools import partial

import streamlit as st

from cnn_core.data.conversions import describe_conversions
from cnn_core.data.imported import ImportedSource
from cnn_core.data.jobs import ASKING, Job
from cnn_core.data.library import set_title
from cnn_core.data.skipped import SEE_VIEW, describe_imported, describe_skipped
from cnn_core.errors import StudioError
from pages.charts.components.announcer import announce
from pages.charts.components.reveal import reveal
from pages.shared.links import page_file
from pages.shared.people import is_shared, is_teacher, may_change, person, show_owner
from pages.shared.server import get_jobs, get_store
from pages.shared.split_question import ask_validation_use
from pages.shared.text import plain
from pages.views.data.mode import open_set
from pages.views.data.overview import CONFIGURE

REFRESH_SECONDS = 0.5
RECENT_SECONDS = 24 * 3600  # for so long an ended import is shown
JOBS = "data-jobs"
STARTS = "data-imports-started"  # in the session: how many imports it has started
WATCHED = "data-jobs-watched"  # in the session: the imports that it has shown while they ran
WAITS = "The import waits for your answer, and then continues."
ANNOUNCEMENT = "Import of {name}: {status}."  # read by screen readers when the status changes
STATUS = {
    "queued": "waiting",
    "running": "running",
    ASKING: "waiting for your answer",
    "finished": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def show_jobs(*, shows_results: bool) -> bool:
    """Show running and recently ended imports; refreshed twice a second while one is running. shows_results: also those that nobody watched here.

    Return whether an import of this person waits for an answer, which is the next thing to do.
    """
    jobs = _recent_jobs(shows_results)
    announce("imports", " ".join(ANNOUNCEMENT.format(name=job.name, status=STATUS[job.status]) for job in jobs))
    reveal(JOBS, st.session_state.get(STARTS, 0))
    if jobs:
        is_active = any(job.is_active for job in jobs)
        with st.container(key=JOBS):  # a fragment of varying length needs a container of its own
            st.fragment(_show, run_every=REFRESH_SECONDS if is_active else None)(is_active, shows_results)
    return any(job.question and job.owner == person() for job in jobs)


def note_start() -> None:
    """Let the next run scroll to the imports: the button that started one may be far below them."""
    st.session_state[STARTS] = st.session_state.get(STARTS, 0) + 1


def _show(was_active: bool, shows_results: bool) -> None:
    jobs = _recent_jobs(shows_results)
    st.session_state[WATCHED] = st.session_state.get(WATCHED, set()) | {job.id for job in jobs if job.is_active}
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
                _show_links(job)
            if may_change(job.owner):  # of one that asks, the upload is removed too
                st.button(
                    "Cancel" if job.question else "Dismiss", key=f"dismiss-{job.id}", on_click=get_jobs().remove, args=(job.id,)
                )
    if job.is_active:
        fraction = min(1.0, job.done / max(job.total, 1))
        count = f": {job.done:,} of {job.total:,}" if job.total > 1 else ""
        st.progress(fraction, f"{plain(job.stage) or 'Queued'}{count}")
    elif job.question:
        if may_change(job.owner):
            st.caption(WAITS)
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


def _show_links(job: Job) -> None:
    """Show what can be done with the imported data set."""
    try:
        label = f"View {set_title(job.name, get_store().home)}"
    except StudioError:  # removed since
        return
    st.page_link(page_file("configure"), label=CONFIGURE, icon=":material/tune:", query_params={"data": job.name})
    st.button(plain(label), key=f"view-{job.name}", icon=":material/visibility:", on_click=_view, args=(job,))


def _view(job: Job) -> None:
    open_set(job.name)
    if may_change(job.owner):
        get_jobs().remove(job.id)
    st.rerun()  # the whole page, not this fragment alone


def _recent_jobs(shows_results: bool) -> list[Job]:
    """Return the imports that are shown to this person, the newest first; teachers see everybody's."""
    is_for_all, owner, watched = not is_shared() or is_teacher(), person(), st.session_state.get(WATCHED, set())

    def is_shown(job: Job) -> bool:
        is_news = job.status != "finished" or shows_results or job.id in watched
        return job.is_active or bool(job.question) or (is_news and time.time() - job.changed < RECENT_SECONDS)

    return [job for job in get_jobs().all() if (is_for_all or job.owner == owner) and is_shown(job)]
