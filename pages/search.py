"""The Search page: hyperparameter search for the settings with the best validation accuracy. Searches are created, watched, cancelled and resumed here."""

import streamlit as st

from pages.shared.address import read_address, write_address
from pages.shared.server import get_searches
from pages.views.search.new_search_form import new_search_form
from pages.views.search.status import show_search

NEW, KEY = "", "search"


def choose_search(names: list[str]) -> str:
    """Show the choice of a search and return its name; NEW for the form of a new one.

    The default is the search in the address (`?search=`), else the one shown last, else the running one. The address has no name when the
    browser's Back button returns from another page.
    """
    state = st.session_state
    if KEY not in state and KEY not in st.query_params:
        state[KEY] = state.get(f"{KEY}-written") or next(iter(get_searches().active()), NEW)
    read_address("search", KEY, [NEW, *names])
    chosen = st.selectbox("Search", [NEW, *names], key=KEY, format_func=lambda name: name or "New search")
    write_address("search", KEY, chosen)
    return chosen


st.title("Hyperparameter search")
names = get_searches().names()
if chosen := choose_search(names) if names else NEW:
    show_search(chosen)
elif started := new_search_form():
    st.query_params["search"] = started
    st.rerun()
