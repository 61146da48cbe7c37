"""The test images, each with what the network said of it: by class, right or wrong."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.source import ImageSet
from cnn_core.inference.calibrated import Calibration, calibration_of
from cnn_core.runs.store import Run
from pages.ui.gallery.answer import calibrated_in_words
from pages.ui.images import prediction_grid
from pages.ui.server import get_store
from pages.ui.session import cooled, evaluate_with_progress, images_of

if TYPE_CHECKING:
    from cnn_core.analysis.evaluation import Evaluation

PAGE = 24


def show_test_images(run: Run) -> None:
    """The view."""
    calibration = calibration_of(get_store().home.run_folder(run.id))
    evaluation = cooled(run, evaluate_with_progress(run), calibration.temperature)
    _show(run, evaluation, images_of(run), calibration)


@st.fragment
def _show(run: Run, evaluation: "Evaluation", images: ImageSet, calibration: Calibration) -> None:
    """A filtered, paged grid of the test images, with the probabilities that own pictures get."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        true_class = st.selectbox("True class", ["All classes", *evaluation.classes], width=220)
        verdict = st.segmented_control("Prediction", ["All", "Right", "Wrong"], default="All", required=True)
    chosen = evaluation.select(
        true_class=None if true_class == "All classes" else evaluation.classes.index(true_class),
        is_right=None if verdict == "All" else verdict == "Right",
    )
    st.caption(f"{len(chosen):,} of {len(evaluation.labels):,} test images")
    if calibration.is_fitted:
        st.caption(f"Probabilities are those that your own pictures get {calibrated_in_words(calibration)}.")
    if not len(chosen):
        st.info(
            "No test image fits this choice." + (" The network got every one of them right." if verdict == "Wrong" else ""),
            icon=":material/search:",
        )
        return
    pages = -(-len(chosen) // PAGE)
    page = st.pagination(pages, key=f"page-{run.id}-{true_class}-{verdict}") if pages > 1 else 1
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    st.html(prediction_grid(images[shown], evaluation, shown, calibration.threshold))
