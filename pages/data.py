"""The Data page: choose or import a data set, view its images, check its quality, and correct it before training."""

import streamlit as st

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.library import imported_sets, set_title
from cnn_core.data.owners import owner_of
from cnn_core.text import counted
from pages.shared.address import set_parameter
from pages.shared.mine import shows_all
from pages.shared.people import owner_name, person
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.data.add import show_import_form
from pages.views.data.collect import count_collected
from pages.views.data.download import show_entry
from pages.views.data.jobs import show_jobs
from pages.views.data.mode import IMPORT_IMAGES, MODE, STORAGE, choose_mode
from pages.views.data.overview import show_set
from pages.views.data.storage import show_storage

LAST = "data-last"
COLLECTED = "You have collected {images} in {classes} that are not imported yet."


def choose_set() -> str:
    """Return the chosen data set: that of the address (`?set=`), else the last one shown, else the first."""
    imported = imported_sets(get_store().home)
    owners = {name: owner_of(get_store().home.set_folder(name)) for name in imported}
    wanted = st.query_params.get("set", st.session_state.get(LAST))
    if imported and not shows_all("data"):  # what belongs to nobody is for all
        imported = [name for name in imported if owners[name] in ("", person()) or name == wanted]
    names = [*CATALOG, *(name for name in imported if name not in CATALOG)]
    if wanted and wanted not in names and wanted != st.session_state.get(LAST):
        st.warning(f"There is no data set “{plain(wanted[:80])}”, so another one is shown. Choose a data set from the list.")

    def describe(name: str) -> str:
        owner = owner_name(owners.get(name, ""))
        needs_download = name in CATALOG and CATALOG[name].archives and name not in imported
        return (
            f"{set_title(name, get_store().home)}{' · not downloaded' if needs_download else ''}{f' · {owner}' if owner else ''}"
        )

    chosen = st.selectbox("Data set", names, index=names.index(wanted) if wanted in names else 0, format_func=describe)
    st.session_state[LAST] = chosen
    set_parameter("set", chosen)
    return chosen


st.title("Data")
mode = choose_mode()
is_asked = show_jobs(shows_results=mode == IMPORT_IMAGES)
if mode == IMPORT_IMAGES:
    show_import_form(is_primary=not is_asked)
elif mode == STORAGE:
    show_storage()
else:
    collected = count_collected() or {}
    if any(collected.values()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(
                COLLECTED.format(
                    images=counted(sum(collected.values()), "image"), classes=counted(len(collected), "class", "classes")
                ),
                icon=":material/photo_camera:",
            )
            st.button("Continue", key="data-continue", on_click=st.session_state.update, args=({MODE: IMPORT_IMAGES},))
    name = choose_set()
    if name in CATALOG and not CATALOG[name].archives:  # included: it is imported at once
        run_with_progress(CatalogSource(CATALOG[name], get_store().home).ensure_imported())
    if name in imported_sets(get_store().home):
        show_set(name)
    else:
        show_entry(CATALOG[name])
