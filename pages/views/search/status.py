"""One search: status, controls, the current trial, and results.

While the search runs, all of it is one fragment that reruns every few seconds; the curves of the current trial come from the event stream.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import streamlit as st

from cnn_core.errors import RunError, StudioError
from cnn_core.search.plan import MAX_TRIALS
from cnn_core.search.search_store import Search
from cnn_core.search.space import format_space
from cnn_core.search.trials import Trial, best_trial
from cnn_core.text import counted, format_duration
from pages.charts.components.announcer import announce
from pages.charts.components.overlay import overlay
from pages.shared.links import page_file
from pages.shared.notices import notify, show_notices
from pages.shared.people import may_change, person, show_owner
from pages.shared.progress import TIME_LEFT
from pages.shared.removed_set import show_data_error
from pages.shared.searches import POLL_SECONDS, trials_for
from pages.shared.server import get_searches, get_store
from pages.shared.stream import MOST_TOGETHER
from pages.shared.text import plain
from pages.shared.trial_times import seconds_left
from pages.views.search.results import show_best, show_importance, show_parallel_chart, show_table

STATUS: dict[str, tuple[str, Literal["blue", "orange", "green"], str]] = {
    "searching": (":material/play_circle:", "blue", "running"),
    "cancelled": (":material/stop_circle:", "orange", "cancelled"),
    "done": (":material/check_circle:", "green", "completed"),
}
OWNER_WAITS = "Waiting, because the owner of this search has reached a limit. The search continues when runs of the owner have ended or were removed."
ANNOUNCEMENT = "Search {search}: {status}."  # read by screen readers when the status changes
ENDED = "{ended:,} of {trials}"
OTHER_SEARCH = "Waiting for a trial of the search “{name}”. Searches that run at the same time alternate, one trial each."
WAITING = "Waiting. {reason}"
NEXT_TRIAL = "The next trial starts in a moment."
ADD_TRIALS, NEW_SEARCH = "Add trials", "New search"
MORE_TRIALS = 10  # trials that Resume offers beyond those of the plan


def show_search(name: str) -> None:
    """Show the search called `name`, updated while it runs."""
    search = get_searches().search(name)
    is_active = _is_active(search)
    announce(f"search-{name}", ANNOUNCEMENT.format(search=name, status=STATUS[search.status][2]))
    with st.container(key="search-status"):  # a fragment of varying length needs a container of its own
        st.fragment(_show, run_every=POLL_SECONDS if is_active else None)(name, is_active)


def _is_active(search: Search) -> bool:
    """Whether the search may still change: it runs, or its last trial is ending."""
    return search.status == "searching" or get_searches().is_running(search.name)


def _show(name: str, was_active: bool) -> None:
    """Show all parts. Errors are shown here, since the page does not catch those of a fragment's own reruns."""
    show_notices()
    if name not in get_searches().names():
        st.rerun()  # it was removed in another session
    try:
        _show_all(get_searches().search(name), was_active)
    except StudioError as error:
        show_data_error(error)


def _show_all(search: Search, was_active: bool) -> None:
    if was_active != (is_active := _is_active(search)):
        st.rerun()  # the whole page, with or without a timer
    with st.spinner("Reading the trials…"):  # the first time Optuna is loaded
        trials = trials_for(search, is_active=is_active)
    _show_state(search, trials)
    _show_controls(search, trials)
    if search.error:
        st.error(plain(search.error), icon=":material/error:")
    _show_training(search, trials)
    show_best(search, trials)
    show_parallel_chart(search, trials)
    importance = st.container()
    if trials:
        show_table(search, trials)
    with importance:  # last, because it takes seconds the first time
        show_importance(search, trials)


def _show_state(search: Search, trials: Sequence[Trial]) -> None:
    """Show the status, the number of ended trials, and the time left."""
    ended, goal = sum(trial.state != "running" for trial in trials), search.plan.total_trials
    icon, colour, label = STATUS[search.status]
    texts = [ENDED.format(ended=ended, trials=counted(goal, "trial"))]
    pruned, failed = (sum(trial.state == state for trial in trials) for state in ("pruned", "failed"))
    texts += [f"{pruned:,} stopped early"] if pruned else []
    texts += [f"{failed:,} failed"] if failed else []
    if search.status == "searching" and (left := seconds_left(trials, goal)):
        texts.append(TIME_LEFT.format(time=format_duration(left)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(label, icon=icon, color=colour)
        st.markdown(" · ".join(texts), width="content")
    st.progress(min(1.0, ended / goal))


def _show_controls(search: Search, trials: Sequence[Trial]) -> None:
    """Show the controls for the status, a link to the trials among all runs, and the search space."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if not may_change(search.plan.owner):
            show_owner(search.plan.owner)
        elif search.status == "searching":
            st.button(
                "Cancel",
                key="search-cancel",
                icon=":material/stop:",
                on_click=_call,
                args=("cancel", search.name),
                help="Stops the current trial and starts no other. You can resume the search later.",
            )
        else:
            _new_search_button()
            is_cancelled = search.status == "cancelled"
            label, icon = ("Resume", ":material/resume:") if is_cancelled else (ADD_TRIALS, ":material/add:")
            with st.popover(label, icon=icon, help="Continues the search, also with more trials."):
                _show_resume_form(search, len(trials))
            with st.popover(
                "Remove", icon=":material/delete:", help="Deletes the search and its results, but not the runs of its trials."
            ):
                st.write("The search and its results are deleted. The runs of its trials are not.")
                st.button("Remove search", key="search-remove", type="primary", on_click=_call, args=("remove", search.name))
        st.page_link(
            page_file("runs"),
            label="Show trials in Runs",
            icon=":material/table_rows:",
            query_params={"made": "searches"},
        )
    with st.expander("Search space"):
        st.code("\n".join(format_space(search.plan.space)), language=None)


def _new_search_button() -> None:
    """Show the button that opens the form of a new search, which is otherwise a choice in the list of searches."""
    if st.button(NEW_SEARCH, key="new-search", icon=":material/add_circle:"):
        st.query_params["search"] = ""
        st.rerun()


def _show_resume_form(search: Search, started: int) -> None:
    """Show the new total number of trials and the button."""
    plan = search.plan
    default = plan.trials if search.status == "cancelled" else min(plan.trials + MORE_TRIALS, MAX_TRIALS)
    key = f"more-{search.token}-{default}"
    st.number_input(
        "Total trials",
        value=default,
        step=1,
        help=f"1 to {MAX_TRIALS:,}. Started so far: {started:,}.",
        key=key,
    )
    label = "Resume" if search.status == "cancelled" else ADD_TRIALS
    st.button(label, key="search-resume", type="primary", on_click=_resume, args=(search.name, key))


def _resume(name: str, key: str) -> None:
    """Resume a search with the total in the field `key`, as it is now: its last edit may not have rerun the page yet."""
    _call("resume", name, int(st.session_state[key]))


def _call(action: str, name: str, *more: int) -> None:
    """Call a method of the search store; an error becomes a notice."""
    try:
        getattr(get_searches(), action)(name, *more)
    except StudioError as error:
        notify(plain(error), icon=":material/error:")


def _show_training(search: Search, trials: Sequence[Trial]) -> None:
    """Show the curves of the current trials, or of the latest one, and of the best so far."""
    if search.status != "searching":
        return
    runs = {run.id: run for run in get_store().created_by(search.origin)}  # some may have been deleted
    positions = {trial.run: position for position, trial in enumerate(trials, start=1) if trial.run in runs}
    current, best = [trial.run for trial in trials if trial.state == "running" and trial.run in runs], best_trial(trials)
    if not current:
        st.caption(plain(_why_it_waits(search)))
    selected = dict.fromkeys([*(current or list(positions)[-1:]), *([best.run] if best and best.run in runs else [])])
    shown = list(selected)[:MOST_TOGETHER]
    if not shown:
        return
    st.subheader("Current trial", help="The current trial and the best one so far.")
    names = [f"trial {positions[run]}{' (best)' if best and run == best.run else ''}" for run in shown]
    named = [replace(runs[run], name=name) for run, name in zip(shown, names, strict=True)]
    overlay(named, "validation accuracy", "epoch", smoothing=0.0)


def _why_it_waits(search: Search) -> str:
    """Return why no trial trains: a trial of another search trains, the owner's quota is reached, or the next trial is starting."""
    store, owner = get_store(), search.plan.owner
    first = next(iter(get_searches().active()), search.name)
    if first != search.name and not get_searches().is_running(search.name):
        return OTHER_SEARCH.format(name=first)
    try:
        store.quota.check_queue(owner)
        store.quota.check_disk(owner)
    except RunError as error:
        return WAITING.format(reason=error) if owner == person() else OWNER_WAITS
    return NEXT_TRIAL
