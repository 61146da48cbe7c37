"""The settings of a run: choose the data and the model, see what that means, change what you like, start."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config import TrainConfig, make_config
from cnn_core.data.catalog import CATALOG, canonical_name, open_source
from cnn_core.data.library import imported_sets, is_path_set, title_of
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.models.registry import FAMILIES
from pages.ui.costs import model_table, reserve_cost, show_cost
from pages.ui.forms import label, settings_tabs
from pages.ui.links import page_file
from pages.ui.server import get_store
from pages.ui.session import start_run
from pages.ui.settings_io import save_button, settings_file
from pages.ui.text import plain
from pages.ui.tryouts import batch_preview, rate_finder, schedule_chart

FOLDER = "folder"


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


def configure(data: str, model: str, info: DataInfo) -> None:
    """The settings, what they mean before anything is trained, and Start."""
    costs = reserve_cost()
    with st.container(border=True):
        chosen, tabs = settings_tabs(data, model)
        with st.container(horizontal=True):
            start = st.button("Start training", type="primary", icon=":material/play_arrow:")
            save_place = st.empty()
    try:
        config = make_config(**chosen)
    except StudioError as error:
        st.error(f"{'Nothing was started. ' if start else ''}{plain(error)}", icon=":material/error:")
        return
    if start:
        start_run(config)
    with save_place:
        save_button(config)
    show_consequences(tabs, config, info)
    # Last, because these have to wait for torch, and the form need not.
    try:
        show_cost(costs, config, info)
    except StudioError as error:
        if not start:  # which has said so
            st.error(plain(error), icon=":material/error:")
    with tabs["Network"]:
        model_table(config, info)


def show_consequences(tabs: dict[str, DeltaGenerator], config: TrainConfig, info: DataInfo) -> None:
    """What the settings lead to, beside the fields that decide it."""
    with tabs["Schedule"]:
        schedule_chart(config, info)
    with tabs["Training"]:
        rate_finder(config)
    with tabs["Augmentation"]:
        batch_preview(config)


st.title("Configure a run")
settings_file()
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
else:
    info = open_source(data, get_store().home).info
    with left:
        show_facts(info)
    configure(data, model, info)
