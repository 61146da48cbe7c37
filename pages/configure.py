"""The Configure page: choose data and model, change settings, see their effect before training, and start the run."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.defaults import make_config
from cnn_core.config.fitting import check_validation_images, describe_lowered, fit_defaults
from cnn_core.config.images import images_info
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from pages.shared.data_and_model import DataAndModel, choose_data_and_model
from pages.shared.form_link import fill_form_from_address, show_link, write_form_to_address
from pages.shared.form_values import given_settings
from pages.shared.forms import settings_tabs
from pages.shared.people import check_paths
from pages.shared.recommendation import show_recommendation
from pages.shared.refusal import show_refusal
from pages.shared.start_run import start_run
from pages.views.configure.costs import compare_models, measured_epoch, reserve_model, show_model, show_no_model
from pages.views.configure.duration import show_duration
from pages.views.configure.pretrained import compare_networks, show_weights
from pages.views.configure.previews import show_first_batch, show_learning_rate_finder, show_schedule
from pages.views.configure.settings_files import save_buttons, search_button, upload_settings


def configure(task: DataAndModel) -> None:
    """Show the settings, their effect before training, and the Start button."""
    info, shown = task.info, reserve_model()
    weights = st.container()
    with st.container(border=True):
        chosen, tabs, places = settings_tabs(task.data, task.model)
        places |= task.places
        write_form_to_address(chosen)
        buttons = st.container(horizontal=True)
        duration = st.empty()
        start = buttons.button("Start training", key="start-training", type="primary", icon=":material/play_arrow:")
    try:
        given = given_settings(chosen)
        config = make_config(**given)
        check_paths(config)  # not only at the start: the previews open files too
        check_validation_images(config, info)
        info = images_info(config, info)
    except StudioError as error:
        show_no_model(shown)
        show_refusal(error, places, is_start=start)
        return
    show_recommendation(task.places["model"], config, task.info)
    for note in describe_lowered(config, info, given):
        st.info(note, icon=":material/info:")
    if start:
        start_run(config, given, places)
    config = fit_defaults(config, info, given)
    with buttons:
        search_button(config)
        save_buttons(config)
        show_link(chosen)
    with duration:
        show_duration(config, measured_epoch(config, info))
    show_previews(tabs, config, info)
    # Last, because the costs need torch, and the form does not.
    try:
        show_weights(weights, config, info)
        show_model(shown, config, info)
    except StudioError as error:
        if not start:  # start_run has shown the error
            show_refusal(error, places)
    with tabs["Network"]:
        compare_models(config, info)
        if "weights" in config.model_options:
            compare_networks(config)


def show_previews(tabs: Mapping[str, DeltaGenerator], config: TrainConfig, info: DataInfo) -> None:
    """Show in each tab what its settings lead to."""
    with tabs["Schedule"]:
        show_schedule(config, info)
    with tabs["Training"]:
        show_learning_rate_finder(config)
    with tabs["Augmentation"]:
        show_first_batch(config)


st.title("Configure a run")
fill_form_from_address()
upload_settings()
if chosen := choose_data_and_model():
    configure(chosen)
