"""One search on the page: how it stands, what is asked of it, the trial that trains now, and what was found.

While it is worked off it looks again every few seconds, all in one fragment; the curves of the trial that trains come by the event stream.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from cnn_core.errors import RunError, StudioError
from cnn_core.search.plan import MOST_TRIALS
from cnn_core.search.space import space_in_words
from cnn_core.search.studies import Search
from cnn_core.search.trials import Trial, best_of
from pages.charts.components.overlay import overlay
from pages.shared.links import page_file
from pages.shared.people import may_change, person, show_owner
from pages.shared.searches import LOOK_SECONDS, trials_of
from pages.shared.server import get_searches, get_store
from pages.shared.stream import MOST_TOGETHER
from pages.shared.text import plain
from pages.shared.trial_times import in_words, seconds_left
from pages.views.search.results import show_best, show_importance, show_relations, show_table

STATUS = {
    "searching": (":material/play_circle:", "blue", "searching"),
    "cancelled": (":material/stop_circle:", "orange", "cancelled"),
    "done": (":material/check_circle:", "green", "done"),
}
MORE = 10  # trials that are offered beyond those that were asked for


def show_search(name: str) -> None:
    """The search called `name`; looked at again and again while it is worked off."""
    is_active = _is_active(get_searches().search(name))
    with st.container(key="search-look"):  # a fragment of one's own place: its length changes
        st.fragment(_show, run_every=LOOK_SECONDS if is_active else None)(name, is_active)


def _is_active(search: Search) -> bool:
    """Whether something may still change by itself: it is worked off, or its last trial is just being ended."""
    return search.status == "searching" or get_searches().is_attended(search.name)


def _show(name: str, was_active: bool) -> None:
    """All of it. What goes wrong is said here: a fragment that runs by itself is outside the frame's care."""
    if name not in get_searches().names():
        st.rerun()  # it was removed in another tab
    try:
        _show_all(get_searches().search(name), was_active)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")


def _show_all(search: Search, was_active: bool) -> None:
    if was_active != _is_active(search):
        st.rerun()  # the whole page, which then looks again and again, or no more
    with st.spinner("Reading the trials…"):  # the first time: Optuna is loaded
        trials = trials_of(search)
    _show_state(search, trials)
    _show_controls(search, trials)
    if search.trouble:
        st.error(plain(search.trouble), icon=":material/error:")
    _show_training(search, trials)
    show_best(search, trials)
    show_relations(search, trials)
    importance = st.container()
    if trials:
        show_table(search, trials)
    with importance:  # last, because its first time takes seconds
        show_importance(search, trials)


def _show_state(search: Search, trials: Sequence[Trial]) -> None:
    """Status, how many trials have ended, and the time left."""
    ended, goal = sum(trial.state != "running" for trial in trials), search.plan.goal
    icon, colour, word = STATUS[search.status]
    words = [f"{ended:,} of {goal:,} trials"]
    pruned, failed = (sum(trial.state == state for trial in trials) for state in ("pruned", "failed"))
    words += [f"{pruned:,} ended early"] if pruned else []
    words += [f"{failed:,} failed"] if failed else []
    if search.status == "searching" and (left := seconds_left(trials, goal)):
        words.append(f"about {in_words(left)} left")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=icon, color=colour)
        st.markdown(" · ".join(words), width="content")
    st.progress(min(1.0, ended / goal))


def _show_controls(search: Search, trials: Sequence[Trial]) -> None:
    """What can be asked of the search as it stands, by those whose it is; its trials among all runs; what it varies."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if not may_change(search.plan.owner):
            show_owner(search.plan.owner)
        elif search.status == "searching":
            st.button(
                "Cancel",
                icon=":material/stop:",
                on_click=_ask,
                args=("cancel", search.name),
                help="Stops the trial that trains and begins no other. Nothing is lost: Go on takes it up again.",
            )
        else:
            with st.popover("Go on", icon=":material/resume:", help="Where it was, also with more trials."):
                _go_on(search, len(trials))
            with st.popover("Remove", icon=":material/delete:", help="The runs of its trials stay."):
                st.write("The search and its figures are deleted. The runs of its trials stay among your runs.")
                st.button("Remove it", type="primary", on_click=_ask, args=("remove", search.name))
        st.page_link(
            page_file("runs"),
            label="Trials of searches among all runs",
            icon=":material/table_rows:",
            query_params={"made": "searches"},
        )
    with st.expander("What is searched"):
        st.code("\n".join(space_in_words(search.plan.space)), language=None)


def _go_on(search: Search, tried: int) -> None:
    plan = search.plan
    usual = plan.trials if search.status == "cancelled" else min(plan.trials + MORE, MOST_TRIALS)
    trials = st.number_input(
        f"Trials in all (1 to {MOST_TRIALS:,})",
        value=usual,
        step=1,
        help=f"{tried:,} of them were begun.",
        key=f"more-{search.token}-{usual}",
    )
    st.button("Go on", key="search-go-on", type="primary", on_click=_ask, args=("resume", search.name, int(trials)))


def _ask(what: str, name: str, *more: int) -> None:
    """Ask it of the search; a refusal is shown for a moment."""
    try:
        getattr(get_searches(), what)(name, *more)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")


def _show_training(search: Search, trials: Sequence[Trial]) -> None:
    """The curves of the trials that train now, else of the latest one, and of the best so far to measure them by."""
    if search.status != "searching":
        return
    runs = {run.id: run for run in get_store().created_by(search.origin)}  # some may have been deleted
    places = {trial.run: place for place, trial in enumerate(trials, start=1) if trial.run in runs}
    now, best = [trial.run for trial in trials if trial.state == "running" and trial.run in runs], best_of(trials)
    if not now:
        st.caption(plain(_what_it_waits_for(search)))
    wanted = dict.fromkeys([*(now or list(places)[-1:]), *([best.run] if best and best.run in runs else [])])
    shown = list(wanted)[:MOST_TOGETHER]
    if not shown:
        return
    st.subheader("Training now", help="The trial that trains, beside the best one so far.")
    names = [f"trial {places[run]}{', the best' if best and run == best.run else ''}" for run in shown]
    named = [replace(runs[run], name=name) for run, name in zip(shown, names, strict=True)]
    overlay(named, "validation accuracy", "epoch", smoothing=0.0)


def _what_it_waits_for(search: Search) -> str:
    """Why no trial trains: another search is before it, its owner has as much as one person may, or it is just being begun."""
    store, owner = get_store(), search.plan.owner
    first = next(iter(get_searches().active()), search.name)
    if first != search.name and not get_searches().is_attended(search.name):
        return f"It waits until the search “{first}” is done with its trial: searches take turns, a trial each."
    try:
        store.quota.check_queue(owner)
        store.quota.check_disk(owner)
    except RunError as error:
        return f"It waits. {error}" if owner == person() else "It waits until its owner may begin another run."
    return "The next trial begins in a moment."
