"""The augmentations of the form, tried live on pictures of the set: what the network would be shown instead of each."""

import numpy as np
import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import ImportedSource
from cnn_core.data.source import finish
from cnn_core.errors import StudioError
from pages.charts.images import labelled_grid
from pages.shared.choice import choose_number
from pages.shared.forms import augmentation_inputs
from pages.shared.text import plain

PICTURES, VERSIONS = 4, 7


@st.fragment
def show_augmentations(source: ImportedSource) -> None:
    """Fields of the form's Augmentation tab, and some pictures as they would be shown."""
    st.caption(
        "Change a field and see at once what it does. Nothing is kept; the same fields stand in Configure under Augmentation."
    )
    chosen = augmentation_inputs(source.folder.name)
    try:
        config = make_config(**chosen)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    images = finish(source.load("train"))
    last = max(0, len(images) - PICTURES)
    first = choose_number("First picture", 0, last, f"augment-first-{source.folder.name}", step=PICTURES)
    rows = np.arange(first, min(first + PICTURES, len(images)))
    for row in rows:
        name = source.info.classes[images.labels[row]]
        versions = _augmented(images[[row]], config.model_copy(update={"seed": int(row)}))
        st.html(
            labelled_grid(
                np.concatenate((images[[row]], versions)), [f"{name}, as it is", *[f"version {n + 1}" for n in range(VERSIONS)]]
            )
        )


def _augmented(image: np.ndarray, config: TrainConfig) -> np.ndarray:
    """VERSIONS drawings of one image (1, S, S, C), uint8."""
    with st.spinner("Opening torch…"):
        from cnn_core.training.preview import augment_images
    return augment_images(np.repeat(image, VERSIONS, axis=0), config)
