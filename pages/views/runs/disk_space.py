"""Freeing disk space of runs without removing them: the states after their epochs go, which are the large part. Shown where there is a quota."""

from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.home import EPOCHS
from cnn_core.runs.limits import space_in_words
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.quota import folder_bytes
from cnn_core.runs.run import Run
from pages.shared.people import may_change
from pages.shared.server import get_store
from pages.shared.text import plain


def free_space(runs: Sequence[Run]) -> None:
    """A popover that says how much the states of those of `runs` that are the person's take, and a button that deletes them."""
    own = [run for run in runs if may_change(run.owner) and not run.is_active]
    if get_store().quota.limits.disk_quota is None or not own:
        return
    with st.popover("Free space", icon=":material/mop:", help="Deletes what only branching and looking at earlier epochs needs."):
        folders = [get_store().home.run_folder(run.id) for run in own]
        states, everything = sum(folder_bytes(folder / EPOCHS) for folder in folders), sum(map(folder_bytes, folders))
        st.write(
            f"{space_in_words(states)} of the {space_in_words(everything)} that these runs take are the states after their epochs. Without them the "
            "runs, their curves and their best networks stay; they can no longer be branched, or evaluated as they were after an epoch."
        )
        st.button("Delete the states", type="primary", disabled=not states, on_click=_drop, args=(own,))


def _drop(runs: Sequence[Run]) -> None:
    try:
        freed = sum(RunOrganizer(get_store()).drop_epochs(run.id) for run in runs)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.toast(f"{space_in_words(freed)} were freed.", icon=":material/mop:")
