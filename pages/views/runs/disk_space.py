"""The disk space of runs, and freeing it without removing a run.

Saved epochs except the best and the last one are deleted, and cached results, which are computed again when they are needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.quota import file_bytes, folder_bytes
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_bytes
from pages.shared.people import may_change
from pages.shared.server import get_store
from pages.shared.text import plain

FREES_EPOCHS = (
    "Deletes {epochs} of {runs} ({size}). The best and the last epoch of each run remain, and so do its curves and its model. "
    "You can no longer branch from the deleted epochs or evaluate them."
)
FREES_RESULTS = (
    "Deletes the cached results of {runs} ({size}): predictions for whole splits, robustness tests and features of images. They are computed "
    "again when a page needs them."
)
NOTHING_TO_FREE = "Only the best and the last epochs of these runs are saved, and no results are cached. To free more space, remove runs and empty the bin."
FREED = "{size} freed."


def run_sizes(runs: Sequence[Run]) -> list[int]:
    """Return the bytes of the folder of each run."""
    home = get_store().home
    return [folder_bytes(home.run_folder(run.id)) for run in runs]


def offer_free_space(runs: Sequence[Run]) -> None:
    """List what can be freed in the person's runs among `runs` that have ended, with its size, and show the button that frees it."""
    organizer = RunOrganizer(get_store())
    own = [run for run in runs if may_change(run.owner)]
    epochs = {run.id: files for run in own if (files := organizer.surplus_epochs(run))}
    results = {run.id: files for run in own if (files := organizer.cached_results(run))}
    with st.popover("Free space", icon=":material/mop:", help="Deletes saved epochs and cached results of runs that have ended."):
        if not epochs and not results:
            st.write(NOTHING_TO_FREE)
            return
        if epochs:
            count = counted(sum(map(len, epochs.values())), "saved epoch")
            st.write(FREES_EPOCHS.format(epochs=count, runs=counted(len(epochs), "run"), size=format_bytes(_bytes_of(epochs))))
        if results:
            st.write(FREES_RESULTS.format(runs=counted(len(results), "run"), size=format_bytes(_bytes_of(results))))
        size = format_bytes(_bytes_of(epochs) + _bytes_of(results))
        chosen = list({**epochs, **results})
        st.button(f"Free {size}", key="free-space", type="primary", on_click=_free, args=(chosen,))


def _bytes_of(files: Mapping[str, Sequence[Path]]) -> int:
    return sum(file_bytes(file) for of_run in files.values() for file in of_run)


def _free(runs: Sequence[str]) -> None:
    try:
        freed = sum(map(RunOrganizer(get_store()).free_space, runs))
    except (StudioError, OSError) as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.toast(FREED.format(size=format_bytes(freed)), icon=":material/mop:")
