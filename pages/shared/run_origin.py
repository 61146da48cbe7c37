"""What made a run: a person, an exercise of the Learn page, or a search. Those of the last two are many, and would bury a person's own.

In: rows of the store. Out: which of them a list shows, and what it says of where they come from.
"""

from collections.abc import Collection, Sequence

import streamlit as st

from cnn_core.runs.run import Run
from pages.shared.address import read_address, write_address
from pages.shared.searches import names_by_token

PEOPLE, LESSONS, SEARCHES, ALL = "people", "exercises", "searches", "all"
MAKERS = {"lesson": LESSONS, "search": SEARCHES}  # by the first word of a run's origin
LISTED, BOX = "list-all-runs", "made-by"


def maker(run: Run) -> str:
    """PEOPLE, LESSONS or SEARCHES."""
    return MAKERS.get(run.origin.partition("/")[0], PEOPLE)


def made_in_words(run: Run) -> str:
    """ "exercise dropout", "search widths", the owner of a person's run, "" where nobody signs in."""
    what, name = (*run.origin.split("/"), "")[:2]
    if what == "lesson":
        return f"exercise {name}"
    return f"search {names_by_token().get(name, 'that was removed')}" if what == "search" else run.owner


def choose_maker(runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that a box asks for: at first those that people started, or all where they started none. No box where all are theirs."""
    there = {maker(run) for run in runs}
    if there <= {PEOPLE}:
        return list(runs)
    options = [name for name in (PEOPLE, LESSONS, SEARCHES) if name in there]
    options.insert(len(options) if PEOPLE in there else 0, ALL)
    read_address("made", BOX, options)
    chosen = st.selectbox(
        "Made by",
        options,
        key=BOX,
        format_func=lambda name: f"{name} ({sum(name in (ALL, maker(run)) for run in runs):,})",
        help="Exercises and searches start many runs by themselves. They are ordinary runs, kept out of the way here at first.",
        width=190,
    )
    write_address("made", BOX, chosen)
    return [run for run in runs if chosen in (ALL, maker(run))]


def listed(runs: Sequence[Run], always: Collection[str] = ()) -> list[Run]:
    """The runs that a box offers: those of people, any that is active, and `always` (ids); all of them at the turn of a switch below it."""
    some = [run for run in runs if maker(run) == PEOPLE or run.is_active or run.id in always]
    if not some or st.session_state.get(LISTED):
        return list(runs)
    return some


def offer_all(runs: Sequence[Run], shown: Sequence[Run]) -> None:
    """The switch, where it makes a difference. What it says survives the way to another page."""
    hidden = sum(maker(run) != PEOPLE for run in runs) if st.session_state.get(LISTED) else len(runs) - len(shown)
    if hidden:
        st.toggle(f"List {hidden:,} more, which exercises and searches have made", key=LISTED, persist_state="session")
