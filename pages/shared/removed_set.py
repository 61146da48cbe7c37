"""A data set in the bin: wherever a page needs its images, a button restores it."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitDuplicateElementKey

from cnn_core.data.set_bin import removed_sets, restore_set
from cnn_core.errors import RemovedSetError, StudioError
from pages.shared.notices import notify
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_store
from pages.shared.text import plain

RESTORE = "Restore data set"
RESTORED = "The data set “{name}” was restored."


def show_data_error(error: StudioError, prefix: str = "") -> None:
    """Show an error; of a data set in the bin, also a button that restores it. prefix: a sentence that stands before the error."""
    st.error(f"{prefix} {plain(error)}".strip(), icon=":material/error:")
    if isinstance(error, RemovedSetError):
        offer_restore(error.name)


def offer_restore(name: str, then: Callable[[], None] = lambda: None) -> None:
    """Show a button that restores the data set, last removed, and calls `then`; where another person removed it, whose it is."""
    removed = next((one for one in removed_sets(get_store().home) if one.name == name), None)
    if removed is None:
        return
    if may_change(removed.owner):
        with suppress(StreamlitDuplicateElementKey):  # another part of the page offers it already
            st.button(RESTORE, key=f"restore-set-{name}", icon=":material/undo:", on_click=_restore, args=(name, then))
    else:
        show_owner(removed.owner)


def _restore(name: str, then: Callable[[], None]) -> None:
    try:
        restore_set(name, get_store().home)
    except StudioError as error:
        notify(plain(error), icon=":material/error:")
    else:
        notify(RESTORED.format(name=plain(name)), icon=":material/check:")
        then()
