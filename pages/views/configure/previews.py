"""Previews of a training: the learning-rate schedule, the learning-rate finder, and the first batch.

What takes longer than a second is computed at the press of a button, with progress; results stay until the settings change.
"""

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.training.schedule import make_schedule
from pages.charts.images import labelled_grid
from pages.charts.learning_rate import finder_curve, schedule_chart
from pages.shared import cache
from pages.shared.forms import default_value, field_key
from pages.shared.server import get_store

UNCHANGED = (
    "Only the head learns, on features of the unchanged images, which are computed once. To train with augmentation, choose other trained layers in "
    "the tab Network."
)
FIND, SHOW_BATCH = "Find a learning rate", "Show the first batch"
UNCERTAIN_RATE = "The loss fell by only {fall:.0%} before it rose, so the suggestion is uncertain. Compare it in short runs with the default, {default:g}."
PLATEAU_NOTE = (
    "The chart shows no reductions, because the validation loss decides during training when the learning rate is reduced."
)


def show_schedule(config: TrainConfig, info: DataInfo) -> None:
    """Show the learning rate over the whole training."""
    steps_per_epoch = config.steps_per_epoch(info)
    st.plotly_chart(
        schedule_chart(make_schedule(config, steps_per_epoch), steps_per_epoch, config.epochs),
        config={"displayModeBar": False},
        alt="The learning rate over the epochs of the training",
    )
    if config.schedule == "plateau":
        st.caption(PLATEAU_NOTE)


def show_learning_rate_finder(config: TrainConfig) -> None:
    """Show the button that runs the finder, its curve, and a button that writes the suggested learning rate into the form."""
    version = config.model_copy(update={"learning_rate": 1.0})  # the curve does not depend on it
    buttons = st.container(horizontal=True)
    if buttons.button(
        FIND,
        icon=":material/show_chart:",
        help="Trains a temporary model for 100 steps with a rising learning rate, and suggests one from the curve of the loss (learning-rate range test).",
    ):
        with st.spinner("Opening the data…"):
            from cnn_core.training.learning_rate_finder import find_learning_rate

        cache.compute(cache.LEARNING_RATES, "curve", version, find_learning_rate(config, get_store().home))
    curve = cache.load(cache.LEARNING_RATES, "curve", version)
    if curve is None:
        return
    buttons.button(
        f"Use {curve.proposal:g}",
        key="use-found-rate",
        icon=":material/check:",
        on_click=st.session_state.__setitem__,
        args=(field_key("learning_rate", config.model_dump()), curve.proposal),
        help="A tenth of the learning rate at which the loss was lowest.",
    )
    st.plotly_chart(finder_curve(curve), config={"displayModeBar": False}, alt="The loss at rising learning rates")
    if curve.is_uncertain:
        default = default_value("learning_rate", config.model_dump())
        st.warning(UNCERTAIN_RATE.format(fall=curve.fall, default=default), icon=":material/warning:")


def show_first_batch(config: TrainConfig) -> None:
    """Show a button, and then the first images of the run's first batch as they are augmented; or why they are not."""
    if config.learns_on_features:
        st.caption(UNCHANGED)
        return
    if st.button(
        SHOW_BATCH,
        icon=":material/visibility:",
        help="The images that the model is trained on first, with these augmentations and this seed.",
    ):
        with st.spinner("Opening the data…"):
            from cnn_core.training.preview import preview_batch

        cache.compute(cache.FIRST_BATCHES, "batch", config, preview_batch(config, get_store().home))
    batch = cache.load(cache.FIRST_BATCHES, "batch", config)
    if batch is not None:
        st.html(labelled_grid(batch.pixels, batch.labels))
