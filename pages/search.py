"""Search: settings are varied by themselves, trial after trial, to find those with the best validation accuracy. One is asked for, watched,
cancelled and gone on with here."""

import streamlit as st

from pages.shared.address import read_address, write_address
from pages.shared.server import get_searches
from pages.views.search.new_search_form import ask_for_search
from pages.views.search.status import show_search

NEW, KEY = "", "search"


def choose_search(names: list[str]) -> str:
    """The search that the address names (`?search=`), else the one shown last, else the one worked off; NEW for the form of another one.

    Where a button has led to another page, the browser's way back comes by an address without a name.
    """
    state = st.session_state
    if KEY not in state and KEY not in st.query_params:
        state[KEY] = state.get(f"{KEY}-written") or next(iter(get_searches().active()), NEW)
    read_address("search", KEY, [NEW, *names])
    chosen = st.selectbox("Search", [NEW, *names], key=KEY, format_func=lambda name: name or "A new search")
    write_address("search", KEY, chosen)
    return chosen


st.title("Search for good settings")
names = get_searches().names()
if chosen := choose_search(names) if names else NEW:
    show_search(chosen)
elif started := ask_for_search():
    st.query_params["search"] = started
    st.rerun()
