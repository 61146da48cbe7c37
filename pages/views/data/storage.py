"""The disk space of imported data sets: a table of all, also of those imported from the path of a run, and the bin with Restore."""

import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import streamlit as st

from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import ImportedSource
from cnn_core.data.library import imported_sets, is_path_set, set_title
from cnn_core.data.owners import owner_of
from cnn_core.data.set_bin import RemovedSet, empty_bin, removed_sets, restore_set
from cnn_core.errors import StudioError
from cnn_core.runs.quota import folder_bytes
from cnn_core.text import counted, format_bytes
from pages.shared.mine import shows_all
from pages.shared.people import is_shared, may_change, may_read_paths, owner_name, person
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.data.free_space import offer_free_space

NO_SETS = "No data set is imported yet. Choose Import images, or a data set of the catalogue."
FROM_CATALOGUE, UPLOADED, THERE, GONE = "Catalogue", "Upload", "On disk", "Missing"
BY_PATH = "{name} (by its path)"
BIN_FAILED = "data-bin-error"
MAX_NAMED = 5  # runs that are named


def show_storage() -> None:
    """Show all imported data sets with size, path and runs, and the bin."""
    home = get_store().home
    names = imported_sets(home)
    if not shows_all("data-storage"):
        names = [name for name in names if owner_of(home.set_folder(name)) == person()]
    runs = Counter(run.config.data for run in get_store().runs())
    rows = [_describe(name, runs) for name in names]
    if rows:
        st.caption(f"{counted(len(rows), 'data set')}, {format_bytes(sum(size for _, size in rows))}")
        st.dataframe([row for row, _ in rows], hide_index=True)
        st.caption("To remove a data set, open it under Data sets. The original files are never changed.")
        offer_free_space([folder for name in names if may_change(owner_of(folder := home.set_folder(name)))])
    else:
        st.info(NO_SETS, icon=":material/database:")
    show_bin()


def _describe(name: str, runs: Counter[str]) -> tuple[dict[str, str], int]:
    """Return the row of a data set, and its size in bytes. runs: numbers of runs by the name or path of their data set."""
    home = get_store().home
    folder = home.set_folder(name)
    size = folder_bytes(folder)
    try:
        title, source = set_title(name, home), str(ImportedSource(folder).facts.get("source", ""))
    except StudioError:
        title, source = name, ""
    origin, state = source, THERE if _exists(source) else GONE
    if not source or name in CATALOG:
        origin, state = FROM_CATALOGUE, ""
    elif Path(source).is_relative_to(home.data):
        origin, state = UPLOADED, ""
    elif not may_read_paths():
        origin, state = Path(source).name, ""
    row = {
        "Data set": BY_PATH.format(name=Path(title).name) if is_path_set(name) else title,
        "Size": format_bytes(size),
        **({"Owner": owner_name(owner_of(folder))} if is_shared() else {}),
        "Runs": f"{runs[name] + (runs[title] if is_path_set(name) else 0):,}",
        "Imported from": origin,
        "Original files": state,
    }
    return row, size


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def runs_with(name: str) -> list[str]:
    """Return the runs that used a data set, by its name or, for one that was imported from the path of a run, by that path; newest first."""
    store = get_store()
    names = {name}
    if is_path_set(name):
        with suppress(StudioError):
            names.add(set_title(name, store.home))
    return [run.name or run.id for run in store.runs() if run.config.data in names]


def name_runs(names: list[str]) -> str:
    """Return the first names as text, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def show_bin() -> None:
    """Show the removed data sets with buttons to restore or delete them."""
    if error := st.session_state.pop(BIN_FAILED, None):
        st.error(plain(error), icon=":material/error:")
    removed = [one for one in removed_sets(get_store().home) if may_change(one.owner)]
    if not removed:
        return
    sizes = [folder_bytes(one.folder) for one in removed]
    st.subheader("Bin")
    st.caption(f"{counted(len(removed), 'data set')}, {format_bytes(sum(sizes))}")
    for one, size in zip(removed, sizes, strict=True):
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at))
            st.markdown(f"**{plain(_title(one))}** · {format_bytes(size)} · removed {when}", width="stretch")
            st.button("Restore", icon=":material/undo:", key=f"set-back-{one.at}-{one.name}", on_click=_restore, args=(one,))
    with st.popover("Empty the bin", icon=":material/delete_forever:"):
        st.write("The data sets in the bin are deleted with their corrections. The original files are not.")
        st.button("Delete permanently", key="empty-set-bin", type="primary", on_click=_empty)


def _title(removed: RemovedSet) -> str:
    """Return the name of a data set in the bin; of one that was imported from a path, that path."""
    try:
        return str(ImportedSource(removed.folder).facts["source"]) if is_path_set(removed.name) else removed.name
    except StudioError:
        return removed.name


def _restore(removed: RemovedSet) -> None:
    try:
        restore_set(removed.name, get_store().home, removed.at)
    except StudioError as error:
        st.session_state[BIN_FAILED] = str(error)


def _empty() -> None:
    try:
        empty_bin(get_store().home, may_change)
    except StudioError as error:
        st.session_state[BIN_FAILED] = str(error)
