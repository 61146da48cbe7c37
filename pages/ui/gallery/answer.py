"""What a network says of one picture: what it received, its answer, and how sure it is."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.image_file import Picture
from cnn_core.errors import ImageError
from cnn_core.inference.calibrated import Calibration
from cnn_core.runs.store import Run
from pages.ui.charts import probability_bars
from pages.ui.images import picture_html
from pages.ui.session import get_classifier
from pages.ui.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.predict import Prediction

UNSURE = "I don’t know"


def show_answer(run: Run, picture: Picture) -> None:
    """What the best model of `run` makes of the picture; a sentence where there is nothing to recognise."""
    classifier = get_classifier(run)
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
