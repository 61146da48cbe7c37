"""The data: choose a set or bring your own, look at it, be told the truth about it, correct it, before anything is trained."""

import streamlit as st

from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, title_of
from cnn_core.data.open import open_source
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.data.add import add_images
from pages.views.data.download import show_entry
from pages.views.data.jobs import ADD, LOOK, WAY, show_jobs
from pages.views.data.overview import show_set

LAST = "data-last"


def choose_set() -> str:
    """The set that the address names (`?set=`), else the one last looked at, else the first; a box to choose another."""
    here = imported_sets(get_store().home)
    names = [*CATALOG, *(name for name in here if name not in CATALOG)]
    asked = st.query_params.get("set", st.session_state.get(LAST))
    if asked and asked not in names and asked != st.session_state.get(LAST):
        st.warning(f"There is no data set “{plain(asked[:80])}”, so another one is shown. Choose from the list.")

    def describe(name: str) -> str:
        is_away = name in CATALOG and CATALOG[name].archives and name not in here
        return f"{title_of(name, get_store().home)}{' · to download' if is_away else ''}"

    chosen = st.selectbox("Data set", names, index=names.index(asked) if asked in names else 0, format_func=describe)
    st.query_params["set"] = st.session_state[LAST] = chosen
    return chosen


st.title("Data")
show_jobs()
way = st.segmented_control("What to do", [LOOK, ADD], default=LOOK, required=True, label_visibility="collapsed", key=WAY)
if way == ADD:
    add_images()
else:
    name = choose_set()
    if name in CATALOG and not CATALOG[name].archives:  # included: there is nothing to wait for
        run_with_progress(open_source(name, get_store().home).obtain())
    if name in imported_sets(get_store().home):
        show_set(name)
    else:
        show_entry(CATALOG[name])
