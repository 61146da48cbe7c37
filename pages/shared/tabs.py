"""The views of a page: the address names one of them (`?view=`), and a control at the top of the page chooses another."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages.shared.address import follow_address, tell_address


def choose_view(page: str, names: Sequence[str], describe: Callable[[str], str] = str) -> str:
    """The view of `page` that is shown, the first of `names` at first. The address follows it. `describe`: what stands on its button."""
    key = f"{page}-view"
    follow_address("view", key, names)
    view = st.segmented_control("View", names, key=key, required=True, label_visibility="collapsed", format_func=describe)
    tell_address("view", key, view)
    return view
