"""The Search page: hyperparameter search for the settings with the best validation accuracy. Searches are created, watched, cancelled and resumed here."""

import streamlit as st

from pages.shared.address import read_address, write_address
from pages.shared.mine import shows_all
from pages.shared.people import is_shared, owner_name, person
from pages.shared.searches import owners_by_name
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
    chosen = st.selectbox("Search", [NEW, *names], key=KEY, format_func=_describe)
    write_address("search", KEY, chosen)
    return chosen


def _describe(name: str) -> str:
    owner = owner_name(owners.get(name, ""))
    return f"{name} · {owner}" if owner else name or "New search"


st.title("Hyperparameter search")
names = get_searches().names()
owners = owners_by_name() if is_shared() else {}
if names and not shows_all("search"):
    names = [name for name in names if owners.get(name) == person() or name == st.query_params.get(KEY)]
if chosen := choose_search(names) if names else NEW:
    show_search(chosen)
elif started := new_search_form():
    st.query_params["search"] = started
    st.rerun()
