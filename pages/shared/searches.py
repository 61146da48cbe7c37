"""The searches of this server's studio home, cached for all sessions, which read them every few seconds."""

from contextlib import suppress

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.search.search_store import Search
from cnn_core.search.trials import Trial
from pages.shared.server import get_searches, get_store

POLL_SECONDS = 3  # between two reads of a running search; reading 200 trials takes 0.1 s


def names_by_token() -> dict[str, str]:
    """Return the names of searches by the token in the origin of their runs; a search that cannot be read is left out."""
    return _names_by_token(str(get_store().home.root))


def owners_by_name() -> dict[str, str]:
    """Return the owner of each search; a search that cannot be read is left out."""
    owners = {}
    for name in get_searches().names():
        with suppress(StudioError):
            owners[name] = get_searches().plan(name).owner
    return owners


@st.cache_resource(ttl=POLL_SECONDS, max_entries=4, show_spinner=False)  # used in every row of the table of runs
def _names_by_token(home: str) -> dict[str, str]:
    names = {}
    for name in get_searches().names():
        with suppress(StudioError):
            names[get_searches().search(name).token] = name
    return names


def trials_for(search: Search, *, is_active: bool) -> list[Trial]:
    """Return the search's trials: while it `is_active`, at most POLL_SECONDS old; afterwards as they are, since nothing corrects the page later."""
    if not is_active:
        return get_searches().trials(search.name)
    return _trials(str(get_store().home.root), search.token, search.name)


@st.cache_data(ttl=POLL_SECONDS - 1, max_entries=16, show_spinner=False)
def _trials(home: str, token: str, name: str) -> list[Trial]:
    return get_searches().trials(name)


def importance_for(search: Search, ended: int) -> dict[str, float]:
    """Return the importance of each setting after `ended` trials; while the search runs, it is updated every tenth of the trials.

    With 200 trials it takes 1.7 s.
    """
    if search.status == "searching":
        ended -= ended % max(1, ended // 10)
    return _importance(str(get_store().home.root), search.token, search.name, ended)


@st.cache_data(max_entries=32, show_spinner=False)
def _importance(home: str, token: str, name: str, ended: int) -> dict[str, float]:
    return get_searches().importance(name)
