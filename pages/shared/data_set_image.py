"""An image of the run's data set, by its part, class and number, or any at random."""

import secrets

import numpy as np
import streamlit as st
from PIL import Image

from cnn_core.data.decoder import DecodedImage
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, Part
from cnn_core.errors import DataError
from cnn_core.runs.run import Run
from pages.shared.choice import choose_number
from pages.shared.links import page_file
from pages.shared.own_image import show_own_image
from pages.shared.run_selection import images_of
from pages.shared.server import get_store
from pages.shared.text import plain

PARTS: dict[str, Part] = {"Test": "test", "Validation": "val", "Training": "train"}


def choose_from_set(run: Run) -> DecodedImage | None:
    """The chosen image, with what it is; None where there is none to choose."""
    try:
        source = open_source(run.config.data, get_store().home)
    except DataError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    if isinstance(source, OnDemandSource) and not source.is_imported:
        st.info("The images of this data set are not on this machine. Read them on the Data page.", icon=":material/info:")
        st.page_link(page_file("data"), label="Open the Data page", icon=":material/photo_library:")
        return None
    name = st.segmented_control("Part", list(PARTS), default="Test", required=True, key=f"gallery-part-{run.id}", help=PART_HELP)
    images, key = images_of(run, PARTS[name]), f"gallery-set-{run.id}-{name}"
    if not len(images.labels):
        st.info(f"This data set has no {name.lower()} images. Choose another part.", icon=":material/search:")
        return None
    return _choose(source.info.classes, images, name, key)


PART_HELP = "Training images are those that the network learned from: it knows them better than any other."


def _choose(classes: tuple[str, ...], images: ImageSet, part: str, key: str) -> DecodedImage:
    """By class and by number within the class; the button takes any image of the part."""
    state, class_key, number_key = st.session_state, f"{key}-class", f"{key}-number"

    def take_any() -> None:
        index = secrets.randbelow(len(images.labels))
        label = int(images.labels[index])
        state[class_key] = label
        state[number_key] = int(np.searchsorted(np.flatnonzero(images.labels == label), index)) + 1

    with st.container(horizontal=True, vertical_alignment="bottom"):
        present = np.unique(images.labels).tolist()
        label = st.selectbox("True class", present, format_func=classes.__getitem__, key=class_key, width=160)
        members = np.flatnonzero(images.labels == label)
        if state.get(f"{key}-seen", label) != label:
            state[number_key] = min(state.get(number_key) or 1, len(members))  # another class may have fewer
        state[f"{key}-seen"] = label
        number = choose_number("Image", 1, len(members), number_key, width=150)
        st.button("Random", icon=":material/casino:", on_click=take_any, help="Any image of this part.", key=f"{key}-any")
    picture = _picture(images[int(members[number - 1])])
    show_own_image(picture, f"{part} image {members[number - 1]}, true class {classes[label]}")
    st.caption(f"{part} image {members[number - 1]:,}, true class **{plain(classes[label])}**")
    return picture


def _picture(pixels: np.ndarray) -> DecodedImage:
    """pixels: uint8 (S, S, C)."""
    height, width, channels = pixels.shape
    return DecodedImage(Image.fromarray(pixels.squeeze()).convert("RGB"), (), (width, height), channels == 1)
