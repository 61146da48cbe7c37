"""The test images, each with what the network said of it: by class and answer, right or wrong, by how sure it was, in several orders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.inference.confidence import Calibration, calibration_of
from cnn_core.runs.run import Run
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.links import page_file
from pages.shared.run_selection import evaluate_with_progress, with_temperature
from pages.shared.server import get_store
from pages.views.gallery.prediction import UNSURE, calibrated_in_words

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

ORDERS: dict[str, int] = {"As in the set": 0, "Surest first": -1, "Least sure first": 1}  # the sign of confidence to sort by
SURE = "How sure (probability, %)"
SURE_HELP = (
    "Only images whose answer the network holds this probable: look at those of which it is sure and wrong, or right and unsure."
)


@dataclass(frozen=True)
class Choice:
    """Which images, in which order. Classes by number, None for all; `sure`: closed range of the answer's probability, percent."""

    true_class: int | None
    predicted: int | None
    is_correct: bool | None
    sure: tuple[int, int]
    order: str

    def of(self, evaluation: "Evaluation") -> np.ndarray:
        """Indices of the images, int64, in their order."""
        low, high = self.sure
        indices = evaluation.select(
            true_class=self.true_class,
            predicted=self.predicted,
            is_correct=self.is_correct,
            confidence=(low / 100, high / 100),
        )
        sign = ORDERS[self.order]
        return indices[np.argsort(sign * evaluation.scores.confidence[indices], kind="stable")] if sign else indices


def show_test_images(run: Run) -> None:
    """The view."""
    calibration = calibration_of(get_store().home.run_folder(run.id))
    evaluation = with_temperature(run, evaluate_with_progress(run), calibration.temperature)
    _show(EvaluationSubject(run, None, "test"), evaluation, calibration)


@st.fragment
def _show(subject: EvaluationSubject, evaluation: "Evaluation", calibration: Calibration) -> None:
    """The chosen images a page at a time, with the probabilities that own pictures get."""
    choice = _choose(subject, evaluation)
    chosen = choice.of(evaluation)
    st.caption(f"{len(chosen):,} of {len(evaluation):,} test images")
    if told := _told(calibration):
        st.caption(told)
    if not len(chosen):
        st.info(_why_none(choice, evaluation), icon=":material/search:")
        return

    def look(image: int) -> None:
        st.switch_page(page_file("evaluate"), query_params={"run": subject.run.id, "view": "Explain", "image": str(image)})

    show_image_grid(
        subject, evaluation, chosen, f"browse-{subject.name}-{choice}", _verdicts(evaluation, calibration.threshold), look
    )


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> Choice:
    """The filters at the top; they stay as they are until another run is chosen."""
    key, labels = f"browse-{subject.run.id}", [None, *range(len(evaluation.classes))]

    def name(label: int | None) -> str:
        return "Any class" if label is None else evaluation.classes[label]

    with st.container(horizontal=True, vertical_alignment="bottom"):
        true_class = st.selectbox("True class", labels, format_func=name, key=f"{key}-true", width=150)
        predicted = st.selectbox("Predicted class", labels, format_func=name, key=f"{key}-said", width=150)
        verdict = st.segmented_control(
            "Prediction", ["All", "Right", "Wrong"], default="All", required=True, key=f"{key}-verdict"
        )
        sure = st.slider(SURE, 0, 100, (0, 100), format="%d%%", key=f"{key}-sure", width=230, help=SURE_HELP)
        order = st.selectbox("Order", list(ORDERS), key=f"{key}-order", width=165)
    return Choice(true_class, predicted, None if verdict == "All" else verdict == "Right", sure, order)


def _told(calibration: Calibration) -> str:
    """What the probabilities are, and below which of them no answer is given; nothing where the run says neither."""
    told = []
    if calibration.is_fitted:
        told.append(f"Probabilities are those that your own pictures get {calibrated_in_words(calibration)}.")
    if calibration.threshold:
        told.append(f"Below {100 * calibration.threshold:g}% the network says that it does not know.")
    return " ".join(told)


def _why_none(choice: Choice, evaluation: "Evaluation") -> str:
    if choice.is_correct is False and evaluation.is_correct.all():
        return "No test image fits this choice. The network got every one of them right."
    return "No test image fits this choice. Choose any class, or a wider range."


def _verdicts(evaluation: "Evaluation", threshold: float) -> Callable[[int], str]:
    """What stands below the image of an index: the answer, how sure it is, and the truth; below `threshold`, that there is no answer."""

    def verdict(index: int) -> str:
        said, truth = evaluation.predicted[index], evaluation.labels[index]
        confidence = evaluation.scores.confidence[index]
        answer = f"{evaluation.classes[said]} {confidence:.0%} {'✓' if said == truth else f'✗ is {evaluation.classes[truth]}'}"
        return answer if confidence >= threshold else f"{UNSURE} ({answer})"

    return verdict
