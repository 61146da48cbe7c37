"""The Calibration view: reliability diagram, temperature scaling, and a confidence threshold for abstaining."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.inference.confidence import NO_CALIBRATION, Calibration, load_calibration, read_calibration, save_calibration
from cnn_core.text import counted
from pages.shared.chart import show_chart
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.people import may_change, show_owner
from pages.shared.progress import CANCELLED
from pages.shared.run_models import with_temperature
from pages.shared.text import plain
from pages.views.evaluate.summary import summarise_calibration

if TYPE_CHECKING:
    from cnn_core.metrics.abstention import Abstention
    from cnn_core.metrics.calibration import Reliability
    from cnn_core.metrics.evaluation import Evaluation

HELP = (
    "Images are grouped into 15 bins by confidence. In each bin, accuracy and mean confidence are compared; this is the mean difference "
    "over all images (expected calibration error, ECE). 0 is perfect."
)
COVERAGE = (
    "Coverage: **{coverage:.1%}** of the {split} images ({predicted:,} of {count:,}). Accuracy for these images: **{accuracy:.1%}** (95%: {low:.1%} to "
    "{high:.1%})."
)
REMAINING = "{fraction:.1%} of the correct predictions remain."
MISCALIBRATED = ("overconfident", "underconfident", "uneven")  # verdicts for which a temperature is advised
WORSE = "This temperature does not lower the ECE. Remove it, so that the Gallery shows the probabilities as they are."
UNCERTAIN = "The temperature is uncertain: it was fitted on only {images}. Use at least {needed} validation images: add images, or train with a larger validation fraction."
OTHER_WEIGHTS = (
    "The saved temperature of this run ({temperature:.2f}) was fitted for other weights, so it is not used. Fit it again."
)
ABSTAINS_BELOW = "The Gallery abstains below {percent:g}%."
ONLY_BEST = "The Gallery uses the best model only. Choose the best model above to fit a temperature or save a threshold."
FITTING = (
    "Temperature scaling divides the logits by one number, the temperature, which is fitted on the validation images. Above 1 it lowers the confidence, "
    "below 1 it raises it. Predicted classes stay the same."
)
NOT_BETTER = (
    "No temperature was saved. The best one, {temperature:.2f}, would raise the ECE of the {images} from {before:.1%} to {after:.1%}. Use the "
    "probabilities as they are, or train with a larger validation split."
)
ABSTAINING = "Below the threshold the model abstains. A higher threshold gives fewer predictions, and usually a larger fraction of them is correct."
ERRORS = (
    "{which}, confidence and accuracy differ by {mean:.1f} percentage points on average over the images and by {largest:.1f} in the worst bin, which "
    "holds {images}. Points below the dotted line are overconfident, points above it underconfident."
)
NOTES = {
    "train": "These are training images: confidence and accuracy are higher than on new images. Choose test images to judge the calibration.",
    "val": "The temperature was fitted on these images. Choose test images to see whether it helps on others.",
}


def show_calibration(subject: EvaluationSubject) -> None:
    """Show the view."""
    from cnn_core.metrics.calibration import reliability_of

    evaluation = subject.evaluation()
    calibration = load_calibration(subject.folder) if subject.epoch is None else NO_CALIBRATION
    if subject.split == "train" or (subject.split == "val" and calibration.is_fitted):
        st.info(NOTES[subject.split], icon=":material/info:")
    used = with_temperature(subject.run, evaluation, calibration.temperature)
    st.markdown(summarise_calibration(used))
    st.header("Reliability")
    _show_reliability(subject, evaluation, used if calibration.is_fitted else None)
    if subject.epoch is None:
        st.header("Temperature")
        _show_fitting(subject, calibration, is_advised=reliability_of(evaluation).verdict in MISCALIBRATED)
    else:
        st.caption(ONLY_BEST)
    st.header("Confidence threshold")
    _show_threshold(subject, used, calibration)


def _show_reliability(subject: EvaluationSubject, before: "Evaluation", after: "Evaluation | None") -> None:
    from cnn_core.metrics.calibration import reliability_of
    from pages.charts.calibration import reliability_diagram

    uncalibrated = reliability_of(before)
    calibrated = reliability_of(after) if after else None
    diagrams = {"uncalibrated": uncalibrated} | ({"calibrated": calibrated} if calibrated else {})
    show_chart(
        reliability_diagram(diagrams),
        alt="Reliability diagram: accuracy and number of images by confidence",
    )
    columns = st.grid(4, min_column_width=210)
    columns.metric(
        "Accuracy",
        f"{before.accuracy:.1%}",
        border=True,
        help=f"Fraction of the {SPLITS[subject.split]} images that are classified correctly.",
    )
    mean = float(np.nan_to_num((after or before).scores.confidence).mean())
    columns.metric(
        "Mean confidence",
        f"{mean:.1%}",
        border=True,
        help=f"Mean probability of the predicted class, {'calibrated' if after else 'uncalibrated'}. It should equal the accuracy.",
    )
    columns.metric("ECE, uncalibrated", f"{uncalibrated.expected_error:.1%}", border=True, help=HELP)
    columns.metric("ECE, calibrated", f"{calibrated.expected_error:.1%}" if calibrated else "–", border=True, help=HELP)
    st.caption(
        _describe_errors("With the temperature", calibrated) if calibrated else _describe_errors("Uncalibrated", uncalibrated)
    )


def _describe_errors(which: str, reliability: "Reliability") -> str:
    images = counted(reliability.largest_error_count, "image")
    return ERRORS.format(
        which=which, mean=100 * reliability.expected_error, largest=100 * reliability.largest_error, images=images
    )


def _show_fitting(subject: EvaluationSubject, calibration: Calibration, *, is_advised: bool) -> None:
    st.caption(FITTING)
    saved = read_calibration(subject.folder)
    if saved and not saved.belongs_to(subject.folder):
        st.warning(
            OTHER_WEIGHTS.format(temperature=saved.temperature),
            icon=":material/history:",
        )
    if calibration.is_fitted:
        _show_fitted(calibration)
    if not may_change(subject.run.owner):
        show_owner(subject.run.owner)
        return
    with st.container(horizontal=True):
        is_pressed = st.button(
            "Fit again" if calibration.is_fitted else "Fit temperature",
            key="fit-temperature",
            icon=":material/thermostat:",
            type="primary" if is_advised and not calibration.is_fitted else "secondary",
            on_click=st.session_state.pop,
            args=(CANCELLED, None),
            help="Finds the temperature at which the loss on the validation images is lowest, and saves it if it lowers their ECE too.",
        )
        if calibration.is_fitted and st.button("Remove temperature", key="remove-temperature", icon=":material/delete:"):
            save_calibration(subject.folder, Calibration(threshold=calibration.threshold))
            st.rerun()
    if is_pressed:
        _fit(subject, calibration)


def _show_fitted(calibration: Calibration) -> None:
    from cnn_core.metrics.calibration import FEW_IMAGES

    change = "lowers" if calibration.temperature > 1 else "raises"
    st.markdown(
        f"A temperature of **{calibration.temperature:.2f}**, fitted on {counted(calibration.images, 'validation image')}, {change} the confidence: the "
        f"ECE on them changed from {calibration.error_before:.1%} to {calibration.error_after:.1%}. "
        "The Gallery and the command line use it; the other views show uncalibrated probabilities."
    )
    if not calibration.is_improvement:  # saved by an earlier version
        st.warning(WORSE, icon=":material/warning:")
    if calibration.images < FEW_IMAGES:
        st.warning(
            UNCERTAIN.format(images=counted(calibration.images, "validation image"), needed=FEW_IMAGES),
            icon=":material/warning:",
        )


def _fit(subject: EvaluationSubject, calibration: Calibration) -> None:
    """Fit the temperature and save it, unless it makes the calibration of the validation images worse. The threshold does not change."""
    from cnn_core.metrics.calibration import fit_temperature, reliability_of

    validation = subject.evaluation("val")
    try:
        with st.spinner("Fitting the temperature…"):
            temperature = fit_temperature(validation)
            fitted = Calibration(
                temperature=temperature,
                threshold=calibration.threshold,
                images=len(validation),
                error_before=reliability_of(validation).expected_error,
                error_after=reliability_of(validation.with_temperature(temperature)).expected_error,
            )
            if fitted.is_improvement:
                save_calibration(subject.folder, fitted)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if fitted.is_improvement:
        st.rerun()
    images = counted(fitted.images, "validation image")
    text = NOT_BETTER.format(temperature=temperature, images=images, before=fitted.error_before, after=fitted.error_after)
    st.warning(text, icon=":material/warning:")


@st.fragment
def _show_threshold(subject: EvaluationSubject, evaluation: "Evaluation", calibration: Calibration) -> None:
    from cnn_core.metrics.abstention import abstention_curve, measure_abstention
    from pages.charts.calibration import coverage_chart

    st.caption(ABSTAINING)
    percent = st.slider(
        "Threshold (%)",
        0.0,
        100.0,
        100 * calibration.threshold,
        0.5,
        format="%.1f",
        key=f"trust-threshold-{subject.name}-{calibration.threshold}-{calibration.temperature}",
        help="The lowest confidence at which a prediction is made. With 0 the model never abstains.",
    )
    threshold = round(percent / 100, 4)
    confidence, is_correct = evaluation.scores.confidence, evaluation.is_correct
    at = measure_abstention(confidence, is_correct, np.array([threshold]))
    st.markdown(_describe(at, SPLITS[subject.split]))
    show_chart(
        coverage_chart(abstention_curve(confidence, is_correct), at),
        alt="Accuracy of the predictions by coverage, with the chosen threshold marked",
    )
    if subject.epoch is None:
        _show_saving(subject, threshold, calibration)


def _describe(at: "Abstention", images: str) -> str:
    if not at.predicted[0]:
        return f"The model abstains for all {counted(at.count, f'{images} image')}. Lower the threshold."
    low, high = at.accuracy_interval()
    lost = at.all_correct - int(at.correct[0])
    lines = COVERAGE.format(
        coverage=at.coverage[0],
        split=images,
        predicted=at.predicted[0],
        count=at.count,
        accuracy=at.accuracy[0],
        low=low,
        high=high,
    )
    if not at.all_correct or at.predicted[0] == at.count:
        return lines
    wrong = at.count - at.all_correct - int(at.predicted[0] - at.correct[0])
    return (
        f"{lines} The model abstains for {counted(lost + wrong, 'image')}: without the threshold, {lost:,} of these predictions would be correct and "
        f"{wrong:,} wrong. {REMAINING.format(fraction=at.correct_fraction[0])}"
    )


def _show_saving(subject: EvaluationSubject, threshold: float, calibration: Calibration) -> None:
    used = ABSTAINS_BELOW.format(percent=100 * calibration.threshold) if calibration.threshold else "The Gallery never abstains."
    st.caption(used)
    if not may_change(subject.run.owner):
        return
    with st.container(horizontal=True):
        if st.button(
            "Save threshold",
            key="save-threshold",
            icon=":material/save:",
            disabled=threshold == calibration.threshold,
            help="The Gallery uses it for this model. It is saved in the run's folder.",
        ):
            _save_threshold(subject, calibration, threshold)
        if calibration.threshold and st.button("Remove threshold", key="remove-threshold", icon=":material/restart_alt:"):
            _save_threshold(subject, calibration, 0.0)


def _save_threshold(subject: EvaluationSubject, calibration: Calibration, threshold: float) -> None:
    save_calibration(subject.folder, calibration.model_copy(update={"threshold": threshold}))
    st.rerun()
