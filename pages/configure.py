"""The settings of a run: choose the data and the model, see what that means, change what you like, start."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config import make_config
from cnn_core.data.catalog import CATALOG, open_source
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.models.registry import FAMILIES, count_parameters
from pages.ui.forms import label, setting_input
from pages.ui.server import get_store
from pages.ui.session import start_run
from pages.ui.text import plain

FOLDER = "folder"
COLUMNS = (
    ("Training", ("epochs", "batch_size", "learning_rate", "schedule")),
    ("Learning well", ("optimizer", "dropout", "crop", "flip")),
    ("Split and machine", ("validation_share", "seed", "device")),
)


def choose_data() -> str:
    """The data set's catalogue name, or the folder that was typed ("" while nothing is)."""
    chosen = st.selectbox(
        label("data"),
        [*CATALOG, FOLDER],
        format_func=lambda name: CATALOG[name].title if name in CATALOG else "A folder of images on this machine",
        key="data",
    )
    if chosen != FOLDER:
        st.caption(CATALOG[chosen].help)
        return chosen
    return st.text_input(
        "Folder (path on the machine that runs the dashboard)",
        key="folder",
        placeholder="/home/me/pictures",
        help="One sub-folder per class with the images in it; train/ and test/ above them are used when they are there.",
    ).strip()


def show_facts(info: DataInfo) -> DeltaGenerator:
    """What this data means, before anything is trained; gives the place for the number of parameters."""
    figures = st.grid(4, min_column_width=150)
    parameters = figures.empty()
    parameters.metric("Parameters", "…", border=True)
    figures.metric(
        "Images",
        f"{info.train_count:,}",
        border=True,
        help=f"Training images, of which the validation share is kept apart; {info.test_count:,} more are for testing.",
    )
    figures.metric("Classes", f"{len(info.classes)}", border=True, help=plain(", ".join(info.classes[:30])))
    seen = f"{info.image_size}×{info.image_size} {'grey' if info.channels == 1 else 'colour'}"
    figures.metric("Seen as", seen, border=True, help="Pixels of every image as the network gets it.")
    return parameters


def show_form(data: str, model: str) -> dict[str, Any] | None:
    """The settings beyond data and model, starting at the data set's own defaults; what was chosen once Start is pressed."""
    defaults = make_config(data=data, model=model)
    # A name of its own for each data set: its defaults belong to it, and what was changed for one is not carried to another.
    with st.form(f"settings-{data}"):
        chosen: dict[str, Any] = {"data": data, "model": model}
        for column, (title, names) in zip(st.columns(3), COLUMNS, strict=True):
            with column:
                st.subheader(title)
                chosen |= {name: setting_input(name, getattr(defaults, name), data) for name in names}
        return chosen if st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:") else None


def start(chosen: dict[str, Any]) -> None:
    """Start what was chosen, or say which setting is refused."""
    try:
        config = make_config(**chosen)
    except StudioError as error:
        st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
    else:
        start_run(config)


st.title("Configure a run")
left, right = st.columns(2)
with left:
    data = choose_data()
with right:
    model = st.selectbox(label("model"), list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key="model")
    st.caption(FAMILIES[model].help)

if not data:
    st.info("Type the path of a folder that has one sub-folder of images per class.", icon=":material/folder:")
else:
    info = open_source(data, get_store().home).info
    parameters = show_facts(info)
    chosen = show_form(data, model)
    if chosen:
        start(chosen)
    # Last, because the first count has to wait for torch, and the form need not.
    shape = {"channels": info.channels, "image_size": info.image_size, "classes": len(info.classes)}
    parameters.metric(
        "Parameters", f"{count_parameters(model, **shape):,}", border=True, help="Trainable numbers of the network."
    )
