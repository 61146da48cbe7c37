"""The training images that a network finds most like a picture, shown below its answer."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.open import open_source
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from pages.charts.images import labelled_grid
from pages.shared.progress import CANCELLED, watch
from pages.shared.run_selection import get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.classification import ClassificationRequest

if TYPE_CHECKING:
    from cnn_core.explain.nearest_images import FeatureBank
    from cnn_core.inference.classifier import Classifier

NEAREST = 6
HELP = (
    "Those whose features point most nearly the same way. Features are what goes into the network's last layer, and the number is the cosine "
    "between them: 1 is the same direction. Where they are of other classes or far away, the answer rests on little."
)


def show_nearest(answer: ClassificationRequest) -> None:
    """The nearest training images, each with its class and similarity; what stands in the way as a sentence."""
    try:
        bank = _open(answer.run)
    except StudioError as error:
        st.info(f"The training images cannot be shown. {plain(error)}", icon=":material/info:")
        return
    if bank is None:
        return
    classifier = get_classifier(answer.run)
    rows, cosines = bank.nearest(_features(answer.network, answer.prediction.pixels, classifier), NEAREST)
    classes = classifier.card.classes
    st.markdown(f"**Nearest training images of {plain(answer.name)}**", help=HELP)
    names = [f"{classes[bank.images.labels[row]]} · {cosine:.2f}" for row, cosine in zip(rows, cosines, strict=True)]
    st.html(labelled_grid(bank.images[rows], names))
    among = f"a sample of {len(bank.indices):,} of the {bank.total:,}" if bank.is_sample else f"all {bank.total:,}"
    spread = ", as many of every class as there are" if bank.is_sample else ""
    st.caption(f"Class and similarity, most alike first, from {among} training images{spread}.")


def _open(run: Run) -> "FeatureBank | None":
    """The bank of the run's network on its data; with progress and a way out where it is not open yet. None: cancelled. Raises StudioError."""
    with st.spinner("Opening the training images…"):
        from cnn_core.explain.nearest_images import feature_bank_key, open_feature_bank
    home = get_store().home
    folder = home.run_folder(run.id)
    shelf = _shelf(folder, feature_bank_key(folder, run.config, open_source(run.config.data, home).info.fingerprint))
    name = f"neighbours-{run.id}"
    if "bank" not in shelf and st.session_state.get(CANCELLED) == name:  # the page goes on: the answer above stands
        st.info("Cancelled: the training images were not read, and the answer stands without them.", icon=":material/close:")
        st.button(
            "Read them", key=f"again-{name}", icon=":material/replay:", on_click=st.session_state.pop, args=(CANCELLED, None)
        )
        return None
    if "bank" not in shelf:
        shelf["bank"] = watch(open_feature_bank(run.id, run.config, home), name)
    return shelf["bank"]


@st.cache_resource(max_entries=2, show_spinner=False)
def _shelf(folder: Path, key: str) -> "dict[str, FeatureBank]":
    """Where the bank of that key is put when it is open: for all sessions."""
    return {}


@st.cache_data(max_entries=64, show_spinner=False)
def _features(network: str, pixels: np.ndarray, _classifier: "Classifier") -> np.ndarray:
    from cnn_core.explain.nearest_images import compute_image_features

    return compute_image_features(_classifier.model, _classifier.card, pixels)
