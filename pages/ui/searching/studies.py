"""The searches of this server's studio home, as all sessions read them: what is asked every few seconds is read once for all."""

from functools import cache

import streamlit as st

from cnn_core.home import Home
from cnn_core.search.studies import Search, Studies
from cnn_core.search.trials import Trial
from pages.ui.server import get_store

LOOK_SECONDS = 2  # between two looks at a search that is worked off


@cache
def _studies(home: Home) -> Studies:
    return Studies(home)


def get_studies() -> Studies:
    """The searches of the studio home."""
    return _studies(get_store().home)


def names_by_token() -> dict[str, str]:
    """How the searches are called, by the token in the origin of their runs."""
    return _names_by_token(tuple(get_studies().names()))


@st.cache_data(max_entries=4, show_spinner=False)
def _names_by_token(names: tuple[str, ...]) -> dict[str, str]:
    return {get_studies().search(name).token: name for name in names}


def trials_of(search: Search) -> list[Trial]:
    """The search's trials, as they were at most LOOK_SECONDS ago."""
    return _trials(str(get_store().home.root), search.token, search.name)


@st.cache_data(ttl=LOOK_SECONDS / 2, max_entries=16, show_spinner=False)
def _trials(home: str, token: str, name: str) -> list[Trial]:
    return get_studies().trials(name)


def importance_of(search: Search, ended: int) -> dict[str, float]:
    """The share of each setting, as it was when so many trials had `ended`."""
    return _importance(str(get_store().home.root), search.token, search.name, ended)


@st.cache_data(max_entries=32, show_spinner=False)
def _importance(home: str, token: str, name: str, ended: int) -> dict[str, float]:
    return get_studies().importance(name)
