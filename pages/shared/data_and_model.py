"""What is learned by what: the boxes in which data set and model are chosen, with what they say of themselves. Shared by Configure and Search."""

from pathlib import Path

import streamlit as st

from cnn_core.config.schema import label
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, is_path_set, title_of
from cnn_core.data.names import canonical_name
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo
from cnn_core.models.registry import FAMILIES
from pages.shared.forms import explain
from pages.shared.links import page_file
from pages.shared.people import may_read_paths
from pages.shared.server import get_store
from pages.shared.text import plain

FOLDER = "folder"
NAMED_BY_LINK = "folder-named-by-link"


def choose_task() -> tuple[str, str, DataInfo] | None:
    """Data set, model and the data's facts; None while no folder is typed, which is said. Raises DataError for data that cannot be used."""
    left, right = st.columns(2)
    with left:
        data = choose_data()
    with right:
        model = st.selectbox(
            label("model"), list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key="model", help=explain("model")
        )
        st.caption(FAMILIES[model].help)
    if not data:
        st.info(
            "Type the path of a folder that has one sub-folder of images per class, or of a zip archive of one.",
            icon=":material/folder:",
        )
        return None
    if _is_named_by_link() and not is_known(data):
        _ask_to_open()
        return None
    info = open_source(data, get_store().home).info
    with left:
        show_facts(info)
    return data, model, info


def _is_named_by_link() -> bool:
    """Whether the folder in the box is still what a link has put there, to the letter: paths that differ may lead to the same folder."""
    state = st.session_state
    return state["data"] == FOLDER and state["folder"] == state.get(NAMED_BY_LINK)


def is_known(folder: str) -> bool:
    """Whether the images of the folder or archive were taken into the studio before."""
    from cnn_core.data.path_source import set_name

    return get_store().home.set_folder(set_name(Path(folder))).is_dir()


def _ask_to_open() -> None:
    """Anybody can write a link: the server's folders are not looked into because of one."""
    st.info("A link has named this folder. It is not looked into before you say so.", icon=":material/folder:")
    st.button("Open the folder", icon=":material/folder_open:", on_click=st.session_state.pop, args=(NAMED_BY_LINK,))


def choose_data() -> str:
    """The data set's name, or the folder that was typed ("" while nothing is)."""
    home = get_store().home
    own = [name for name in imported_sets(home) if name not in CATALOG and not is_path_set(name)]
    names = [*CATALOG, *own, *([FOLDER] if may_read_paths() else [])]
    if st.session_state.get("data") not in names:  # a link or a file of settings named a path that is not for everybody
        st.session_state.pop("data", None)
    chosen = st.selectbox(
        label("data"),
        names,
        format_func=lambda name: "A folder or zip archive on this machine" if name == FOLDER else title_of(name, home),
        key="data",
        help=explain("data"),
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
