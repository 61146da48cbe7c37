"""Choosing an image of the run's data set by split, class and number, or at random."""

import secrets

import numpy as np
import streamlit as st
from PIL import Image

from cnn_core.config.images import open_images
from cnn_core.data.decoder import DecodedImage
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.source import ImageSet, Split
from cnn_core.errors import DataError
from cnn_core.runs.run import Run
from pages.shared.choice import choose_number
from pages.shared.image_input import show_image
from pages.shared.links import page_file
from pages.shared.removed_set import show_data_error
from pages.shared.run_models import images_of
from pages.shared.server import get_store
from pages.shared.text import plain

SPLITS: dict[str, Split] = {"Validation": "val", "Test": "test", "Training": "train"}  # the test set is for the final model
SPLIT_LABEL = "Split"
IMAGE_NAME = "{split} image {index:,}, true class **{truth}**"
SPLIT_HELP = "The model was trained on the training images, so its predictions for them are better than for new images."


def choose_data_set_image(run: Run) -> DecodedImage | None:
    """Show and return the chosen image; None where there are none."""
    try:
        source = open_images(run.config, get_store().home)
    except DataError as error:
        show_data_error(error)
        return None
    if isinstance(source, OnDemandSource) and not source.is_imported:
        st.info("The images of this data set are not on this machine. Import them on the Data page.", icon=":material/info:")
        st.page_link(page_file("data"), label="Open the Data page", icon=":material/photo_library:")
        return None
    options = list(SPLITS)
    name = st.segmented_control(
        SPLIT_LABEL, options, default=options[0], required=True, key=f"gallery-part-{run.id}", help=SPLIT_HELP
    )
    split = name or options[0]
    images = images_of(run, SPLITS[split])
    if not len(images.labels):
        st.info(f"This data set has no {split.lower()} images. Choose another split.", icon=":material/search:")
        return None
    return _choose(source.info.classes, images, split, f"gallery-set-{run.id}-{split}")


def _choose(classes: tuple[str, ...], images: ImageSet, split: str, key: str) -> DecodedImage:
    """Choose by class and by number within the class; the button takes any image of the split."""
    state, class_key, number_key, previous_key = st.session_state, f"{key}-class", f"{key}-number", f"{key}-previous"

    def choose_random() -> None:
        index = secrets.randbelow(len(images.labels))
        label = int(images.labels[index])
        state[class_key] = label
        state[number_key] = int(np.searchsorted(np.flatnonzero(images.labels == label), index)) + 1

    with st.container(horizontal=True, vertical_alignment="bottom"):
        present = np.unique(images.labels).tolist()
        label = st.selectbox("True class", present, format_func=classes.__getitem__, key=class_key, width=160)
        members = np.flatnonzero(images.labels == label)
        if state.get(previous_key, label) != label:
            state[number_key] = min(state.get(number_key) or 1, len(members))  # this class may have fewer images
        state[previous_key] = label
        number = choose_number("Image", 1, len(members), number_key, width=150)
        st.button("Random", icon=":material/casino:", on_click=choose_random, help="Any image of this split.", key=f"{key}-any")
    index = int(members[number - 1])
    image = _decoded(images[index])
    show_image(image, f"{split} image {index}, true class {classes[label]}")
    st.caption(IMAGE_NAME.format(split=split, index=index, truth=plain(classes[label])))
    return image


def _decoded(pixels: np.ndarray) -> DecodedImage:
    """Return pixels (S, S, C) uint8 as an image like one that was uploaded."""
    height, width, channels = pixels.shape
    return DecodedImage(Image.fromarray(pixels.squeeze()).convert("RGB"), (), (width, height), channels == 1)
