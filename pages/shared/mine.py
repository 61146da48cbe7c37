"""Mine or all: on a server that people share, lists show at first what belongs to the person at the page. Elsewhere nothing is asked."""

from collections.abc import Sequence

import streamlit as st

from cnn_core.runs.run import Run
from pages.shared.people import is_shared, is_teacher, person

MINE, ALL = "mine", "all"
OWNERS = {MINE: "Mine", ALL: "All"}
NONE_OF_MINE = "Nothing here is yours yet. Choose All to see what others made."


def shows_all(key: str) -> bool:
    """Show the choice and return whether the list `key` shows what belongs to others too. Teachers see everything at first."""
    if not is_shared():
        return True
    name = f"{key}-owner"
    if name not in st.session_state:
        st.session_state[name] = ALL if is_teacher() else MINE
    chosen = st.segmented_control(
        "Owner", list(OWNERS), key=name, required=True, format_func=lambda owner: OWNERS[owner], label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return chosen == ALL


def own_or_all(runs: Sequence[Run], key: str) -> list[Run]:
    """Show the choice and return the runs of the list `key`; a message where none of them is the person's own."""
    if not runs or shows_all(key):
        return list(runs)
    own = own_runs(runs)
    if not own:
        st.info(NONE_OF_MINE, icon=":material/person:")
    return own


def own_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of the person at this page, all runs where there is only one person."""
    return [run for run in runs if run.owner == person()] if is_shared() else list(runs)


def own_first(runs: Sequence[Run]) -> list[Run]:
    """Return all runs, those of the person at this page first."""
    owner = person()
    return sorted(runs, key=lambda run: run.owner != owner) if is_shared() else list(runs)
