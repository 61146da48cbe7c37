"""A copy of one's own of a data set that belongs to the class or to somebody else, to correct it."""

import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.own_copy import copy_set
from cnn_core.errors import StudioError
from cnn_core.runs.quota import folder_bytes
from pages.shared.people import person, this_person
from pages.shared.server import get_store
from pages.shared.text import plain

COPY_HELP = "Copies the data set with its corrections. You may then exclude and relabel images of your copy, and train on it."
CORRECT_A_COPY = "To exclude or relabel images, make your own copy of this data set."
COPIED = "This is your copy now. Correct it and train on it."


def offer_own_copy(source: ImportedSource) -> None:
    """Show a button that copies the data set and opens the copy."""
    st.caption(CORRECT_A_COPY)
    if st.button("Make my own copy", key="data-own-copy", icon=":material/content_copy:", help=COPY_HELP):
        try:
            with st.spinner("Copying…"):
                get_store().quota.check_disk(person(), folder_bytes(source.folder))
                name = copy_set(source.folder.name, get_store().home, person(), this_person().name.partition("@")[0])
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
            return
        st.query_params["set"] = name
        st.toast(COPIED, icon=":material/check_circle:")
        st.rerun()
