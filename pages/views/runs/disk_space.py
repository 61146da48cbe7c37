"""Freeing disk space of runs without removing them: their saved epochs, the largest part, are deleted. Shown where there is a quota."""

from collections.abc import Sequence

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.home import EPOCHS
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.quota import folder_bytes
from cnn_core.runs.run import Run
from cnn_core.text import format_bytes
from pages.shared.people import may_change
from pages.shared.server import get_store
from pages.shared.text import plain

EPOCHS_SIZE = (
    "{epochs} of the {total} of these runs are saved epochs. If you delete them, the runs, their curves and their best models remain, but you can no "
    "longer branch from an earlier epoch or evaluate it."
)


def offer_free_space(runs: Sequence[Run]) -> None:
    """Show the size of the saved epochs of the person's runs among `runs`, and a button that deletes them."""
    own = [run for run in runs if may_change(run.owner) and not run.is_active]
    if get_store().quota.limits.disk_quota is None or not own:
        return
    with st.popover(
        "Free space",
        icon=":material/mop:",
        help="Deletes the saved epochs, which are needed only to branch from an earlier epoch or to evaluate it.",
    ):
        folders = [get_store().home.run_folder(run.id) for run in own]
        epochs_size, total = sum(folder_bytes(folder / EPOCHS) for folder in folders), sum(map(folder_bytes, folders))
        st.write(EPOCHS_SIZE.format(epochs=format_bytes(epochs_size), total=format_bytes(total)))
        st.button(
            "Delete saved epochs", key="delete-epochs", type="primary", disabled=not epochs_size, on_click=_drop, args=(own,)
        )


def _drop(runs: Sequence[Run]) -> None:
    try:
        freed = sum(RunOrganizer(get_store()).drop_epochs(run.id) for run in runs)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.toast(f"Freed {format_bytes(freed)}.", icon=":material/mop:")
