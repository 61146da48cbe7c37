"""The origin of a run: a person, an exercise of the Learn page, or a search. The last two create many runs, which lists hide at first.

In: runs. Out: the runs that a list shows, and their origin as text.
"""

from collections.abc import Collection, Sequence

import streamlit as st

from cnn_core.runs.run import Run
from cnn_core.text import counted
from pages.shared.address import read_address, write_address
from pages.shared.people import owner_name
from pages.shared.searches import names_by_token

PEOPLE, LESSONS, SEARCHES, ALL = "people", "exercises", "searches", "all"
ORIGINS = {"lesson": LESSONS, "search": SEARCHES}  # by the first word of a run's origin
LISTED, BOX = "list-all-runs", "made-by"


def origin_kind(run: Run) -> str:
    """Return PEOPLE, LESSONS or SEARCHES."""
    return ORIGINS.get(run.origin.partition("/")[0], PEOPLE)


def describe_origin(run: Run) -> str:
    """Return "exercise dropout", "search widths", or the name of a person's run's owner ("" where there is one person)."""
    kind, name = (*run.origin.split("/"), "")[:2]
    if kind == "lesson":
        return f"exercise {name}"
    return f"search {names_by_token().get(name, '(removed)')}" if kind == "search" else owner_name(run.owner)


def choose_origin(runs: Sequence[Run]) -> list[Run]:
    """Show a choice of the origin, unless people started all runs, and return the matching runs; at first those that people started, if any."""
    present = {origin_kind(run) for run in runs}
    if present <= {PEOPLE}:
        return list(runs)
    options = [name for name in (PEOPLE, LESSONS, SEARCHES) if name in present]
    options.insert(len(options) if PEOPLE in present else 0, ALL)
    read_address("made", BOX, options)
    chosen = st.selectbox(
        "Created by",
        options,
        key=BOX,
        format_func=lambda name: f"{name} ({sum(name in (ALL, origin_kind(run)) for run in runs):,})",
        help="Exercises and searches create many runs. Choose “all” to show them too.",
        width=190,
    )
    write_address("made", BOX, chosen)
    return [run for run in runs if chosen in (ALL, origin_kind(run))]


def listed_runs(runs: Sequence[Run], always: Collection[str] = ()) -> list[Run]:
    """Return the runs that a list offers: those of people, active ones, and `always` (ids); all runs where the toggle is on."""
    shown = [run for run in runs if origin_kind(run) == PEOPLE or run.is_active or run.id in always]
    if not shown or st.session_state.get(LISTED):
        return list(runs)
    return shown


def show_all_toggle(runs: Sequence[Run], shown: Sequence[Run]) -> None:
    """Show the toggle where it makes a difference; it keeps its value across pages."""
    hidden = sum(origin_kind(run) != PEOPLE for run in runs) if st.session_state.get(LISTED) else len(runs) - len(shown)
    if hidden:
        st.toggle(f"Show {counted(hidden, 'run')} of exercises and searches", key=LISTED, persist_state="session")
