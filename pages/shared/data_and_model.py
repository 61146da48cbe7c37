"""The select boxes for data set and model, with a description of each; shown on the Configure and the Search page."""

from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.recommendation import recommend_model
from cnn_core.config.schema import label
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, is_path_set, set_title
from cnn_core.data.names import canonical_name
from cnn_core.data.open import open_source
from cnn_core.data.path_source import PathSource, set_name
from cnn_core.data.source import DataInfo
from cnn_core.errors import DataError
from cnn_core.models.registry import FAMILIES
from cnn_core.text import counted
from pages.shared.forms import help_text
from pages.shared.links import page_file
from pages.shared.people import may_read_paths
from pages.shared.removed_set import show_data_error
from pages.shared.server import get_store
from pages.shared.split_question import ask_validation_use
from pages.shared.text import plain

FOLDER, FOLDER_TITLE = "folder", "Folder or zip archive on this machine"
FOLDER_FROM_LINK = "folder-from-link"  # session key of a folder that a link named and that the person has not opened yet
OPEN_FOLDER = "Open the folder"
GREY, COLOUR = "grey", "colour"
RECOMMENDED_FOR = "form-recommended"  # session key: the data set that was drawn last and its recommended model, until the form is filled from elsewhere


class DataAndModel(NamedTuple):
    """The chosen data set and model, the data's facts, and the place below either field, for a message."""

    data: str
    model: str
    info: DataInfo
    places: dict[str, DeltaGenerator]


def choose_data_and_model() -> DataAndModel | None:
    """Return data set and model; None while no folder is typed, and for data that cannot be used, whose error stands below the field."""
    left, right = st.columns(2)
    below = st.container()
    with left:
        data = choose_data()
    info = _read_facts(data, left, below)
    with right:
        model = _choose_model(data, info)
    return DataAndModel(data, model, info, {"data": left, "model": right}) if info else None


def _choose_model(data: str, info: DataInfo | None) -> str:
    """Show the select box. With another data set its recommended model is chosen, unless a person has chosen another than the recommended one."""
    state = st.session_state
    if info:
        recommended, before = recommend_model(info).model, state.get(RECOMMENDED_FOR)
        if "model" not in state or (before and before[0] != data and state["model"] == before[1]):
            state["model"] = recommended
        state[RECOMMENDED_FOR] = (data, recommended)
    model = st.selectbox(
        label("model"), list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key="model", help=help_text("model")
    )
    st.caption(FAMILIES[model].help)
    return model


def _read_facts(data: str, left: DeltaGenerator, below: DeltaGenerator) -> DataInfo | None:
    """Return the facts of the data set and show them; None for data that cannot be used yet: then it says what is missing."""
    if not data:
        below.info(
            "Type the path of a folder with one sub-folder of images per class, or of a zip archive of such a folder.",
            icon=":material/folder:",
        )
        return None
    if _is_from_link() and not is_imported(data):
        with below:
            _ask_before_opening()
        return None
    with left:
        try:
            source = open_source(data, get_store().home)
            if isinstance(source, PathSource) and (question := source.question):
                ask_validation_use(question, "folder-validation", source.choose_validation)
                return None
            info = source.info
        except DataError as error:
            show_data_error(error)
            return None
        show_facts(info)
    return info


def _is_from_link() -> bool:
    """Whether the field still contains exactly the folder that a link named: different paths may lead to the same folder."""
    state = st.session_state
    return bool(state["data"] == FOLDER and state["folder"] == state.get(FOLDER_FROM_LINK))


def is_imported(folder: str) -> bool:
    """Whether the images of the folder or archive have been imported before."""
    return get_store().home.set_folder(set_name(Path(folder))).is_dir()


def _ask_before_opening() -> None:
    """Show the button that allows reading the folder: a link may come from anyone, so the server does not open its folder unasked."""
    st.info(
        "This folder comes from a link. It is not read until you open it. Open it only if you trust the link.",
        icon=":material/folder:",
    )
    st.button(OPEN_FOLDER, icon=":material/folder_open:", on_click=st.session_state.pop, args=(FOLDER_FROM_LINK,))


def choose_data() -> str:
    """Return the data set's name, or the typed folder ("" while none is typed)."""
    home = get_store().home
    own = [name for name in imported_sets(home) if name not in CATALOG and not is_path_set(name)]
    names = [*CATALOG, *own, *([FOLDER] if may_read_paths() else [])]
    if st.session_state.get("data") not in names:  # a link or a settings file named a path that this person may not read
        st.session_state.pop("data", None)
    chosen = st.selectbox(
        label("data"),
        names,
        format_func=lambda name: FOLDER_TITLE if name == FOLDER else set_title(name, home),
        key="data",
        help=help_text("data"),
    )
    if chosen in CATALOG:
        st.caption(CATALOG[chosen].help)
        return chosen
    if chosen != FOLDER:
        st.page_link(page_file("data"), label="Show the images", icon=":material/photo_library:", query_params={"set": chosen})
        return chosen
    folder = st.text_input(
        "Folder or zip archive",
        key="folder",
        placeholder="/home/me/images",
        help="A path on the machine that runs the dashboard, with one sub-folder of images per class. Folders called train, val and test above them are used as splits.",
    )
    return canonical_name(folder.strip())


def show_facts(info: DataInfo) -> None:
    """Show size, classes and image format of the data in one line; its help lists the names of the classes."""
    st.caption(describe_facts(info), help=plain(", ".join(info.classes[:30])))


def describe_facts(info: DataInfo) -> str:
    """Return the numbers of images and classes, and the images' format: "24 training images · 1 test image · 2 classes · 64×64 colour"; of
    photographs "colour, up to 512 pixels"."""
    side, colour = info.image_size, GREY if info.channels == 1 else COLOUR
    size = f"{colour}, up to {info.kept_side} pixels" if info.kept_side else f"{side}×{side} {colour}"
    counts = (counted(info.train_count, "training image"), counted(info.test_count, "test image"))
    return " · ".join((*counts, counted(len(info.classes), "class", "classes"), size))
