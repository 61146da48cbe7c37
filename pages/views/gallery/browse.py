"""The test images with their predictions, filtered by class, correctness and probability, in several orders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.inference.confidence import Calibration, load_calibration
from cnn_core.inference.verdict import UNSURE, judge
from cnn_core.runs.run import Run
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.links import page_file
from pages.shared.run_models import evaluate_with_progress, with_temperature
from pages.shared.server import get_store

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

TITLE = "Test images"
ORDERS: dict[str, int] = {
    "Data set order": 0,
    "Most probable first": -1,
    "Least probable first": 1,
}  # the sign of the probability to sort by
CORRECTNESS: dict[str, bool | None] = {"All": None, "Correct": True, "Wrong": False}
PROBABILITY = "Probability (%)"
PROBABILITY_HELP = (
    "Shows only images whose predicted class has a probability in this range. Wrong predictions with a high probability and correct ones with a low "
    "probability are often the most informative."
)
FOUND = "{found:,} of {total:,} test images"
CALIBRATED = "Probabilities are calibrated as for your own images (temperature {temperature:.2f})."
UNSURE_BELOW = "Below {percent:g}% the prediction is “{unsure}”."
ALL_CORRECT = "No test image matches this filter: all predictions are correct."
NO_MATCH = "No test image matches this filter. Choose all classes or a wider range."


@dataclass(frozen=True)
class ImageFilter:
    """Which images in which order. Classes by index, None for all; probability: closed range in percent, of the predicted class."""

    true_class: int | None
    predicted: int | None
    is_correct: bool | None
    probability: tuple[int, int]
    order: str

    def apply(self, evaluation: "Evaluation") -> np.ndarray:
        """Return the indices of the images, int64, in their order."""
        low, high = self.probability
        indices = evaluation.select(
            true_class=self.true_class,
            predicted=self.predicted,
            is_correct=self.is_correct,
            confidence=(low / 100, high / 100),
        )
        sign = ORDERS[self.order]
        return indices[np.argsort(sign * evaluation.scores.confidence[indices], kind="stable")] if sign else indices


def show_test_images(run: Run) -> None:
    """Show the view."""
    calibration = load_calibration(get_store().home.run_folder(run.id))
    evaluation = with_temperature(run, evaluate_with_progress(run), calibration.temperature)
    _show(EvaluationSubject(run, None, "test"), evaluation, calibration)


@st.fragment
def _show(subject: EvaluationSubject, evaluation: "Evaluation", calibration: Calibration) -> None:
    """Show the filtered images page by page, with calibrated probabilities if the run is calibrated."""
    image_filter = _choose(subject, evaluation)
    indices = image_filter.apply(evaluation)
    st.caption(FOUND.format(found=len(indices), total=len(evaluation)))
    if note := describe_probabilities(calibration):
        st.caption(note)
    if not len(indices):
        is_flawless = image_filter.is_correct is False and evaluation.is_correct.all()
        st.info(ALL_CORRECT if is_flawless else NO_MATCH, icon=":material/search:")
        return

    def open_explain(image: int) -> None:
        st.switch_page(
            page_file("evaluate"), query_params={"run": subject.run.id, "split": "test", "view": "Explain", "image": str(image)}
        )

    show_image_grid(
        subject, evaluation, indices, grid_key(subject, image_filter), captions(evaluation, calibration.threshold), open_explain
    )


def grid_key(subject: EvaluationSubject, image_filter: ImageFilter) -> str:
    """Return the key of the grid's widgets: every filter has its own selection."""
    return f"browse-{subject.name}-{image_filter}"


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> ImageFilter:
    """Show the filters and return the chosen one. Each run has its own filters."""
    key, classes = f"browse-{subject.run.id}", evaluation.classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        true_class = choose_class("True class", classes, key=f"{key}-true", width=150)
        predicted = choose_class("Predicted class", classes, key=f"{key}-predicted", width=150)
        correctness = st.segmented_control(
            "Prediction", list(CORRECTNESS), default="All", required=True, key=f"{key}-correctness"
        )
        probability = st.slider(
            PROBABILITY, 0, 100, (0, 100), format="%d%%", key=f"{key}-probability", width=230, help=PROBABILITY_HELP
        )
        order = st.selectbox("Order", list(ORDERS), key=f"{key}-order", width=185)
    return ImageFilter(true_class, predicted, CORRECTNESS[correctness or "All"], probability, order)


def describe_probabilities(calibration: Calibration) -> str:
    """Return sentences on the temperature and the threshold; "" if the run has neither."""
    sentences = []
    if calibration.is_fitted:
        sentences.append(CALIBRATED.format(temperature=calibration.temperature))
    if calibration.threshold:
        sentences.append(UNSURE_BELOW.format(percent=100 * calibration.threshold, unsure=UNSURE))
    return " ".join(sentences)


def captions(evaluation: "Evaluation", threshold: float) -> Callable[[int], str]:
    """Return a function from an image's index to its caption: prediction, probability and truth; below `threshold` also UNSURE."""

    def caption(index: int) -> str:
        predicted, truth = evaluation.predicted[index], evaluation.labels[index]
        confidence = evaluation.scores.confidence[index]
        mark = "✓" if predicted == truth else f"✗ true: {evaluation.classes[truth]}"
        text = f"{evaluation.classes[predicted]} {confidence:.0%} {mark}"
        return f"{UNSURE.capitalize()} ({text})" if judge(confidence, threshold).is_sure is False else text

    return caption
