"""How long a run will take: estimated from earlier runs, from the measured time of an epoch, or for the included digits from ours."""

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.text import format_duration
from pages.shared.server import get_store
from pages.shared.trial_times import trial_seconds

DURATION = "Training takes about {duration}{where}."
DURATION_OF_HEAD = (
    "The epochs take about {duration}. Before them, the features of the images are computed, unless an earlier run kept them."
)
UNKNOWN_OF_HEAD = (
    "Most of the time is needed to compute the features of the images, once; the epochs after that take seconds. How long training takes is not known "
    "until a run with this data set and model has ended."
)
UNKNOWN = (
    "How long training takes is not known until a run with this data set and model has ended. To measure it now, open “Compare the models” in the tab "
    "Network."
)
TWO_CORES = " on two CPU cores"
DIGITS_EPOCH = 1.0  # seconds, SimpleCNN on the digits with two CPU cores


def show_duration(config: TrainConfig, measured: float | None) -> None:
    """Show the expected duration of a run with these settings. measured: seconds per epoch on this machine, None if they were not measured."""
    seconds, where = trial_seconds(config, get_store().runs()), ""
    if config.learns_on_features:  # the measured times are those of the epochs
        st.caption(UNKNOWN_OF_HEAD if seconds is None else DURATION_OF_HEAD.format(duration=format_duration(seconds)))
        return
    if seconds is None and measured is not None:
        seconds = config.epochs * measured
    if seconds is None and (config.data, config.model) == ("digits", "simple"):
        seconds, where = config.epochs * DIGITS_EPOCH, TWO_CORES
    st.caption(UNKNOWN if seconds is None else DURATION.format(duration=format_duration(seconds), where=where))
