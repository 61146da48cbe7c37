"""Augmentation preview: images of the data set with the augmentations of the form, as the model would receive them."""

import numpy as np
import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.images import images_info
from cnn_core.config.recommendation import recommend_model
from cnn_core.config.schema import TrainConfig
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import StudioError
from cnn_core.models.registry import FAMILIES
from pages.charts.images import labelled_grid
from pages.shared.choice import choose_number
from pages.shared.forms import augmentation_inputs
from pages.shared.text import plain

IMAGES, VERSIONS = 4, 7
SIZE = "The images have {side}×{side} pixels, {how}: the default of {model}."
HEAD_ONLY = "By default only its head is trained, on images that are not augmented. These settings have an effect where more of its layers are trained, and for other models."
HOW = {"crop": "cropped to the middle", "pad": "with black bars", "stretch": "stretched"}


@st.fragment
def show_augmentations(source: ImportedSource) -> None:
    """Show the fields of the form's Augmentation tab, and augmented versions of some training images."""
    st.caption(
        "Change a setting to see its effect. Nothing is saved here: to train with these settings, enter them on the Configure page under Augmentation."
    )
    model = recommend_model(source.info).model
    chosen = augmentation_inputs(source.folder.name, model)
    try:
        config = make_config(**chosen)
        info = images_info(config, source.info)
        rows, labels = source.index.used_rows("train")
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    size = SIZE.format(side=info.image_size, how=HOW[info.fit], model=FAMILIES[model].title)
    st.caption(f"{size} {HEAD_ONLY}" if config.learns_on_features else size)
    last = max(0, len(rows) - IMAGES)
    first = choose_number("First image", 0, last, f"augment-first-{source.folder.name}", step=IMAGES)
    for index in range(first, min(first + IMAGES, len(rows))):
        name, image = source.info.classes[labels[index]], source.pixels(int(rows[index]), info)[None]
        versions = _augment(image, config.model_copy(update={"seed": index}))
        titles = [f"{name}, original", *(f"version {number + 1}" for number in range(VERSIONS))]
        st.html(labelled_grid(np.concatenate((image, versions)), titles))


def _augment(image: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Return VERSIONS augmented versions of one image (1, S, S, C), uint8."""
    with st.spinner("Loading PyTorch…"):
        from cnn_core.training.preview import augment_images
    return augment_images(np.repeat(image, VERSIONS, axis=0), config)
