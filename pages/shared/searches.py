"""The searches of this server's studio home, as all sessions read them: what is asked every few seconds is read once for all."""

from contextlib import suppress

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.search.studies import Search
from cnn_core.search.trials import Trial
from pages.shared.server import get_searches, get_store

LOOK_SECONDS = 3  # between two looks at a search that is worked off; reading 200 trials takes 0.1 s


def names_by_token() -> dict[str, str]:
    """How the searches are called, by the token in the origin of their runs; one that cannot be read is left out."""
    return _names_by_token(str(get_store().home.root))


@st.cache_resource(ttl=LOOK_SECONDS, max_entries=4, show_spinner=False)  # it is asked for every row of the table of runs
def _names_by_token(home: str) -> dict[str, str]:
    names = {}
    for name in get_searches().names():
        with suppress(StudioError):
            names[get_searches().search(name).token] = name
    return names


def trials_of(search: Search) -> list[Trial]:
    """The search's trials, as they were at most LOOK_SECONDS ago."""
    return _trials(str(get_store().home.root), search.token, search.name)


@st.cache_data(ttl=LOOK_SECONDS - 1, max_entries=16, show_spinner=False)
def _trials(home: str, token: str, name: str) -> list[Trial]:
    return get_searches().trials(name)


def importance_of(search: Search, ended: int) -> dict[str, float]:
    """The share of each setting, as it was when so many trials had `ended`; while more come, not after every one of many.

    At 200 trials it takes 1.7 s.
    """
    if search.status == "searching":
        ended -= ended % max(1, ended // 10)
    return _importance(str(get_store().home.root), search.token, search.name, ended)


@st.cache_data(max_entries=32, show_spinner=False)
def _importance(home: str, token: str, name: str, ended: int) -> dict[str, float]:
    return get_searches().importance(name)
