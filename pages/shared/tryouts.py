"""What can be tried before training: how the rate will move, which rate suits, what a batch looks like.

Everything longer than a second happens at the press of a button, with its progress shown; answers stay until the settings change.
"""

from collections.abc import Generator
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.training.schedule import make_schedule
from pages.charts.figures import learning_rate_chart, learning_rate_finder_chart
from pages.charts.images import labelled_grid
from pages.shared.forms import field_key
from pages.shared.progress import watch
from pages.shared.server import get_store
from pages.shared.text import plain


def schedule_chart(config: TrainConfig, info: DataInfo) -> None:
    """The learning rate over the whole training, before it has begun."""
    steps_per_epoch = config.steps_per_epoch(info)
    st.plotly_chart(
        learning_rate_chart(make_schedule(config, steps_per_epoch), steps_per_epoch, config.epochs),
        config={"displayModeBar": False},
        alt="The learning rate over the epochs of the training",
    )
    if config.schedule == "plateau":
        st.caption("Shown without drops: where they come is decided by the validation loss while it trains.")


def rate_finder(config: TrainConfig) -> None:
    """A button that tries out learning rates, the curve it found, and a button that takes the proposal."""
    key = ("rate", config.model_copy(update={"learning_rate": 1.0}))
    buttons = st.container(horizontal=True)
    if buttons.button(
        "Find a learning rate",
        icon=":material/show_chart:",
        help="Trains a throw-away network for a hundred steps while the rate rises, and looks where the loss falls.",
    ):
        with st.spinner("Opening the data…"):
            from cnn_core.training.learning_rate_finder import find_rate

        keep(key, find_rate(config, get_store().home))
    if (found := kept(key)) is None:
        return
    buttons.button(
        f"Use {found.proposal:g}",
        icon=":material/check:",
        on_click=st.session_state.__setitem__,
        args=(field_key("learning_rate", config.model_dump()), found.proposal),
        help="A tenth of the rate at which the loss was lowest.",
    )
    st.plotly_chart(
        learning_rate_finder_chart(found), config={"displayModeBar": False}, alt="The loss while the learning rate rises"
    )


def batch_preview(config: TrainConfig) -> None:
    """A button that shows the first images of the run's first batch, augmented as they will be."""
    key = ("batch", config)
    if st.button(
        "Show the first batch",
        icon=":material/visibility:",
        help="The very images that the network will be given first, with these augmentations and this seed.",
    ):
        with st.spinner("Opening the data…"):
            from cnn_core.training.preview import preview_batch

        keep(key, preview_batch(config, get_store().home))
    if (preview := kept(key)) is not None:
        st.html(labelled_grid(preview.pixels, preview.labels))


def keep(key: tuple[Any, ...], steps: Generator[Progress, None, Any]) -> None:
    """Run `steps` with a progress bar, and keep the value for as long as the key stays the same."""
    try:
        st.session_state[f"tryout-{key[0]}"] = (key, watch(steps))
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")


def kept(key: tuple[Any, ...]) -> Any:
    """What was kept for `key`, or None when it belongs to other settings."""
    found = st.session_state.get(f"tryout-{key[0]}")
    return found[1] if found and found[0] == key else None
