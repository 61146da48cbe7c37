"""The network at work: your own picture or drawing classified at once, and the test images with what it said of each."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.image_file import Picture
from cnn_core.data.source import ImageSet
from cnn_core.errors import ImageError
from cnn_core.inference.calibrated import Calibration, calibration_of
from cnn_core.runs.store import Run
from pages.ui.charts import probability_bars
from pages.ui.images import picture_html, prediction_grid
from pages.ui.own_picture import take_picture
from pages.ui.server import get_store
from pages.ui.session import choose_trained_run, cooled, evaluate_with_progress, get_classifier, images_of
from pages.ui.text import plain

if TYPE_CHECKING:
    from cnn_core.analysis.evaluation import Evaluation
    from cnn_core.inference.predict import Classifier, Prediction

PAGE = 24
OWN, BROWSE = "Your own picture", "Test images"
UNSURE = "I don’t know"


def show_own(run: Run) -> None:
    """Draw or upload on the left, the answer on the right."""
    classifier = get_classifier(run)
    left, right = st.columns([2, 3], gap="large")
    with left:
        picture = take_picture(classifier.card, "gallery")
    with right:
        if picture is None:
            st.info("Draw something, or upload a picture: the answer appears here.", icon=":material/gesture:")
        else:
            show_answer(classifier, picture)


def show_answer(classifier: "Classifier", picture: Picture) -> None:
    try:
        prediction = classifier.classify(picture.image)
    except ImageError as error:
        st.warning(plain(error), icon=":material/gesture:")
        return
    seen, answer = st.columns([1, 2])
    with seen:
        st.html(picture_html(prediction.pixels, "What the network received", width=128))
        size = prediction.pixels.shape[0]
        st.caption(f"What the network received: {size}×{size} {'grey' if prediction.pixels.shape[2] == 1 else 'colour'}")
    with answer:
        st.metric("It says", prediction.ranked[0][0] if prediction.is_sure else UNSURE, border=True)
        st.caption(how_sure(classifier.calibration, prediction))
    st.plotly_chart(probability_bars(prediction.ranked), config={"displayModeBar": False}, alt="Classes ranked by probability")


def how_sure(calibration: Calibration, prediction: "Prediction") -> str:
    """What stands below the answer."""
    name, probability = prediction.ranked[0]
    said = f"with a probability of {probability:.1%}"
    if not prediction.is_sure:
        said = f"{plain(name)} is the most probable, {said}: less than the {100 * calibration.threshold:g}% that an answer needs"
    return f"{said} {calibrated_in_words(calibration)}".rstrip()


def calibrated_in_words(calibration: Calibration) -> str:
    return f"(calibrated, temperature {calibration.temperature:.2f})" if calibration.is_fitted else ""


@st.fragment
def show_test_images(run: Run, evaluation: "Evaluation", images: ImageSet, calibration: Calibration) -> None:
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


st.title("Gallery")
run = choose_trained_run("to try out")
if run:
    part = st.segmented_control("Part", [OWN, BROWSE], default=OWN, required=True, label_visibility="collapsed")
    if part == OWN:
        show_own(run)
    else:
        calibration = calibration_of(get_store().home.run_folder(run.id))
        evaluation = cooled(run, evaluate_with_progress(run), calibration.temperature)
        show_test_images(run, evaluation, images_of(run), calibration)
