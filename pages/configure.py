"""The settings of a run: choose the data and the model, see what that means, change what you like, start."""

import streamlit as st

from cnn_core.config import TrainConfig, make_config
from cnn_core.data.catalog import CATALOG, open_source
from cnn_core.errors import StudioError
from cnn_core.models.registry import FAMILIES, count_parameters
from pages.ui.forms import label, setting_input
from pages.ui.server import get_store
from pages.ui.session import start_run

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
        "Folder :gray[:small[path on the machine that runs the dashboard]]",
        key="folder",
        placeholder="/home/me/pictures",
        help="One sub-folder per class with the images in it; train/ and test/ above them are used when they are there.",
    ).strip()


def show_facts(data: str, model: str) -> bool:
    """What this data and this model mean, before anything is trained. False when they cannot be used (and says why)."""
    try:
        with st.spinner("Counting parameters…"):
            info = open_source(data, get_store().home).info
            parameters = count_parameters(model, channels=info.channels, image_size=info.image_size, classes=len(info.classes))
    except StudioError as error:
        st.error(str(error), icon=":material/error:")
        return False
    figures = st.grid(4, min_column_width=150)
    figures.metric("Parameters", f"{parameters:,}", border=True, help="Trainable numbers of the network.")
    figures.metric(
        "Images",
        f"{info.train_count:,}",
        border=True,
        help=f"Training images, of which the validation share is kept apart; {info.test_count:,} more are for testing.",
    )
    figures.metric("Classes", f"{len(info.classes)}", border=True, help=", ".join(info.classes[:30]))
    figures.metric(
        "Seen as",
        f"{info.image_size}×{info.image_size} {'grey' if info.channels == 1 else 'colour'}",
        border=True,
        help="Pixels of every image as the network gets it.",
    )
    return True


st.title("Configure a run")
left, right = st.columns(2)
with left:
    data = choose_data()
with right:
    model = st.selectbox(label("model"), list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key="model")
    st.caption(FAMILIES[model].help)

if not data:
    st.info("Type the path of a folder that has one sub-folder of images per class.", icon=":material/folder:")
elif show_facts(data, model):
    defaults = make_config(data=data, model=model)
    # A key of its own for each data set: its defaults belong to it, and what was changed for one is not carried to another.
    with st.form(f"settings-{data}"):
        chosen = {"data": data, "model": model}
        for column, (title, names) in zip(st.columns(3), COLUMNS, strict=True):
            with column:
                st.subheader(title)
                chosen |= {name: setting_input(name, getattr(defaults, name)) for name in names}
        started = st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:")
    if started:
        try:
            config: TrainConfig | None = make_config(**chosen)
        except StudioError as error:
            config = None
            st.error(f"Nothing was started. {error}", icon=":material/error:")
        if config:
            start_run(config)
