"""The disk space of runs, and freeing it without removing a run: saved epochs except the best and the last one are deleted."""

from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.quota import file_bytes, folder_bytes
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_bytes
from pages.shared.people import may_change
from pages.shared.server import get_store
from pages.shared.text import plain

FREES = (
    "Deletes {epochs} of {runs} ({size}). The best and the last epoch of each run remain, and so do its curves and its model. "
    "You can no longer branch from the deleted epochs or evaluate them."
)
NOTHING_TO_FREE = "Only the best and the last epochs of these runs are saved. To free more space, remove runs and empty the bin."
FREED = "{size} freed."


def run_sizes(runs: Sequence[Run]) -> list[int]:
    """Return the bytes of the folder of each run."""
    home = get_store().home
    return [folder_bytes(home.run_folder(run.id)) for run in runs]


def offer_free_space(runs: Sequence[Run]) -> None:
    """Show how much space can be freed in the person's runs among `runs` that have ended, and the button that frees it."""
    organizer = RunOrganizer(get_store())
    surplus = {run.id: files for run in runs if may_change(run.owner) and (files := organizer.surplus_epochs(run))}
    with st.popover("Free space", icon=":material/mop:", help="Deletes saved epochs of runs that have ended."):
        if not surplus:
            st.write(NOTHING_TO_FREE)
            return
        files = [file for of_run in surplus.values() for file in of_run]
        size = format_bytes(sum(map(file_bytes, files)))
        epochs, count = counted(len(files), "saved epoch"), counted(len(surplus), "run")
        st.write(FREES.format(epochs=epochs, runs=count, size=size))
        st.button(f"Free {size}", key="free-space", type="primary", on_click=_free, args=(list(surplus),))


def _free(runs: Sequence[str]) -> None:
    try:
        freed = sum(map(RunOrganizer(get_store()).free_space, runs))
    except (StudioError, OSError) as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.toast(FREED.format(size=format_bytes(freed)), icon=":material/mop:")
