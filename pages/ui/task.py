"""What is learned by what: the boxes in which data set and model are chosen, with what they say of themselves. Shared by Configure and Search."""

import streamlit as st

from cnn_core.data.catalog import CATALOG, canonical_name, open_source
from cnn_core.data.library import imported_sets, is_path_set, title_of
from cnn_core.data.source import DataInfo
from cnn_core.models.registry import FAMILIES
from pages.ui.forms import label
from pages.ui.links import page_file
from pages.ui.server import get_store
from pages.ui.text import plain

FOLDER = "folder"


def choose_task() -> tuple[str, str, DataInfo] | None:
    """Data set, model and the data's facts; None while no folder is typed, which is said. Raises DataError for data that cannot be used."""
    left, right = st.columns(2)
    with left:
        data = choose_data()
    with right:
        model = st.selectbox(label("model"), list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key="model")
        st.caption(FAMILIES[model].help)
    if not data:
        st.info(
            "Type the path of a folder that has one sub-folder of images per class, or of a zip archive of one.",
            icon=":material/folder:",
        )
        return None
    info = open_source(data, get_store().home).info
    with left:
        show_facts(info)
    return data, model, info


def choose_data() -> str:
    """The data set's name, or the folder that was typed ("" while nothing is)."""
    home = get_store().home
    own = [name for name in imported_sets(home) if name not in CATALOG and not is_path_set(name)]
    names = [*CATALOG, *own, FOLDER]
    if (asked := st.query_params.get("data")) in names:  # a link from the Data page
        st.session_state["data"] = asked
        st.query_params.pop("data")
    chosen = st.selectbox(
        label("data"),
        names,
        format_func=lambda name: "A folder or zip archive on this machine" if name == FOLDER else title_of(name, home),
        key="data",
    )
    if chosen in CATALOG:
        st.caption(CATALOG[chosen].help)
        return chosen
    if chosen != FOLDER:
        st.page_link(page_file("data"), label="Look at it", icon=":material/photo_library:", query_params={"set": chosen})
        return chosen
    folder = st.text_input(
        "Folder or zip archive (path on the machine that runs the dashboard)",
        key="folder",
        placeholder="/home/me/pictures",
        help="One sub-folder per class with the images in it; train/ and test/ above them are used when they are there.",
    )
    return canonical_name(folder.strip())


def show_facts(info: DataInfo) -> None:
    """What this data is, in one line; the classes' names are behind its question mark."""
    seen = f"{info.image_size}×{info.image_size} {'grey' if info.channels == 1 else 'colour'}"
    st.caption(
        f"{info.train_count:,} training images · {info.test_count:,} for testing · {len(info.classes)} classes · {seen}",
        help=plain(", ".join(info.classes[:30])),
    )
