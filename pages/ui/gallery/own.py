"""Your own picture, classified at once: what the network received, what it says, and how sure it is."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.image_file import Picture
from cnn_core.errors import ImageError
from cnn_core.inference.calibrated import Calibration
from cnn_core.runs.store import Run
from pages.ui.charts import probability_bars
from pages.ui.images import picture_html
from pages.ui.own_picture import take_picture
from pages.ui.session import get_classifier
from pages.ui.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.predict import Classifier, Prediction

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
