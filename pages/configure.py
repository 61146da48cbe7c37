"""The settings of a run: choose the data and the model, see what that means, change what you like, start."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from pages.shared.data_and_model import choose_task
from pages.shared.form_link import follow_link, link_control, tell_link
from pages.shared.forms import settings_tabs
from pages.shared.people import check_paths
from pages.shared.run_selection import start_run
from pages.shared.settings_files import save_buttons, search_button, settings_file
from pages.shared.text import plain
from pages.shared.tryouts import batch_preview, rate_finder, schedule_chart
from pages.views.configure.costs import model_table, reserve_cost, show_cost


def configure(data: str, model: str, info: DataInfo) -> None:
    """The settings, what they mean before anything is trained, and Start."""
    costs = reserve_cost()
    with st.container(border=True):
        chosen, tabs = settings_tabs(data, model)
        tell_link(chosen)
        buttons = st.container(horizontal=True)
        start = buttons.button("Start training", type="primary", icon=":material/play_arrow:")
    try:
        config = make_config(**chosen)
        check_paths(config)  # not at the start alone: trying out a learning rate opens files too
    except StudioError as error:
        st.error(f"{'Nothing was started. ' if start else ''}{plain(error)}", icon=":material/error:")
        return
    if start:
        start_run(config)
    with buttons:
        search_button(config)
        save_buttons(config)
        link_control(chosen)
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
follow_link()
settings_file()
if task := choose_task():
    configure(*task)
