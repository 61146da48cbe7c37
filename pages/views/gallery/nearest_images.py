"""The training images that are most similar to an image in the model's feature space, shown below the prediction."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.config.images import open_images
from cnn_core.errors import RemovedSetError, StudioError
from cnn_core.runs.run import Run
from pages.charts.images import labelled_grid
from pages.shared import cache
from pages.shared.progress import CANCELLED
from pages.shared.removed_set import offer_restore
from pages.shared.run_models import get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.classification import ImageClassification

if TYPE_CHECKING:
    from cnn_core.explain.nearest_images import FeatureBank
    from cnn_core.inference.classifier import Classifier

NEAREST = 6
HELP = (
    "The training images with the highest cosine similarity of features (the inputs of the model's last layer). 1 is the highest similarity. If the "
    "nearest images have other classes or a low similarity, do not rely on the prediction."
)
CANCELLED_TEXT = "Cancelled. The nearest training images are not shown; the prediction above is complete."
ERROR_TEXT = "The training images cannot be shown."


def show_nearest_images(classification: ImageClassification) -> None:
    """Show the nearest training images with class and similarity, or a message if they cannot be read."""
    run = classification.run
    try:
        bank = _open(run)
    except StudioError as error:
        st.info(f"{ERROR_TEXT} {plain(error)}", icon=":material/info:")  # the prediction above is complete
        if isinstance(error, RemovedSetError):
            offer_restore(error.name)
        return
    if bank is None:
        return
    classifier = get_classifier(run)
    rows, cosines = bank.nearest(_features(classification.weights_key, classification.prediction.pixels, classifier), NEAREST)
    classes = classifier.card.classes
    st.markdown(f"**Nearest training images of {plain(classification.name)}**", help=HELP)
    names = [f"{classes[bank.images.labels[row]]} · {cosine:.2f}" for row, cosine in zip(rows, cosines, strict=True)]
    st.html(labelled_grid(bank.images[rows], names))
    among = f"a class-balanced sample of {len(bank.indices):,} of the {bank.total:,}" if bank.is_sample else f"all {bank.total:,}"
    st.caption(f"Class and cosine similarity, most similar first, from {among} training images.")


def _open(run: Run) -> "FeatureBank | None":
    """Return the features of the run's training images, computed with a progress bar; None after Cancel. Raises StudioError."""
    with st.spinner("Opening the training images…"):
        from cnn_core.explain.nearest_images import feature_bank_key, open_feature_bank
    home = get_store().home
    folder = home.run_folder(run.id)
    version = (folder, feature_bank_key(folder, run.config, open_images(run.config, home).info.fingerprint))
    work = work_name(run.id)
    if not cache.is_stored(cache.FEATURE_BANKS, run.id, version) and st.session_state.get(CANCELLED) == work:
        st.info(CANCELLED_TEXT, icon=":material/close:")  # the prediction above is complete
        st.button(
            "Read training images",
            key=f"again-{work}",
            icon=":material/replay:",
            on_click=st.session_state.pop,
            args=(CANCELLED, None),
        )
        return None
    return cache.compute_once(cache.FEATURE_BANKS, run.id, version, lambda: open_feature_bank(run.id, run.config, home), work)


def work_name(run: str) -> str:
    """Return the name under which reading the training images of `run` is cancelled."""
    return f"neighbours-{run}"


@st.cache_data(max_entries=cache.PREDICTIONS.max_entries, show_spinner=False)
def _features(weights_key: str, pixels: np.ndarray, _classifier: "Classifier") -> np.ndarray:
    from cnn_core.explain.nearest_images import compute_image_features

    return compute_image_features(_classifier.model, _classifier.card, pixels)
