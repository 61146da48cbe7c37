"""Whether the network is as often right as it is sure, a temperature that mends it, and when it should rather say "I don't know"."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.inference.confidence import NEUTRAL, Calibration, calibration_of, read_calibration, save_calibration
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.people import may_change, show_owner
from pages.shared.progress import CANCELLED
from pages.shared.run_models import with_temperature
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.abstention import Abstention
    from cnn_core.metrics.evaluation import Evaluation

HELP = (
    "Images are sorted into 15 groups by how sure the network was. In each group the share that is right is compared with the mean "
    "probability; this is the mean difference over all images (expected calibration error, ECE). 0 is perfect."
)
ONLY_BEST = "The Gallery uses the best network only: choose Network “best” above to fit a temperature or to save a threshold."
SEEN = {
    "train": "The network learned from these images, so it is surer and more often right here than on new ones. Test images tell how far it can be trusted.",
    "val": "The temperature is fitted on these very images. Test images tell whether it helps on others.",
}


def show_calibration(subject: EvaluationSubject) -> None:
    """The view."""
    evaluation = subject.evaluation()
    calibration = calibration_of(subject.folder) if subject.epoch is None else NEUTRAL
    if subject.part in SEEN:
        st.info(SEEN[subject.part], icon=":material/info:")
    used = with_temperature(subject.run, evaluation, calibration.temperature)
    _show_reliability(subject, evaluation, used if calibration.is_fitted else None)
    if subject.epoch is None:
        _show_fitting(subject, calibration)
    else:
        st.caption(ONLY_BEST)
    st.subheader("When to say “I don’t know”")
    _show_threshold(subject, used, calibration)


def _show_reliability(subject: EvaluationSubject, before: "Evaluation", after: "Evaluation | None") -> None:
    from cnn_core.metrics.calibration import reliability_of
    from pages.charts.calibration import reliability_diagram

    found = reliability_of(before)
    mended = reliability_of(after) if after else None
    figures = st.grid(4, min_column_width=210)
    figures.metric(
        "Accuracy", f"{before.accuracy:.1%}", border=True, help=f"Share of the {PARTS[subject.part]} images that is right."
    )
    mean = float(np.nan_to_num(before.scores.confidence).mean())
    figures.metric(
        "Mean confidence", f"{mean:.1%}", border=True, help="How sure it was on average, as trained: it should be the accuracy."
    )
    figures.metric("Calibration error, as trained", f"{found.expected_error:.1%}", border=True, help=HELP)
    figures.metric("Calibration error, calibrated", f"{mended.expected_error:.1%}" if mended else "–", border=True, help=HELP)
    st.caption(_in_words(found.expected_error, found.is_overconfident, found.largest_error))
    diagrams = {"as trained": found} | ({"calibrated": mended} if mended else {})
    st.plotly_chart(
        reliability_diagram(diagrams),
        config={"displayModeBar": False},
        alt="Reliability diagram: accuracy and number of images by the network's confidence",
    )


def _in_words(expected: float, is_overconfident: bool, largest: float) -> str:
    way = "surer than it is right" if is_overconfident else "more often right than it is sure"
    return (
        f"As trained, it is {way}: confidence and accuracy lie {100 * expected:.1f} percentage points apart on average, "
        f"and {100 * largest:.1f} in the worst group. Points below the dotted line are overconfident, points above it too modest."
    )


def _show_fitting(subject: EvaluationSubject, calibration: Calibration) -> None:
    kept = read_calibration(subject.folder)
    if kept and not kept.belongs_to(subject.folder):
        st.warning(
            f"A calibration of this run (temperature {kept.temperature:.2f}) was made for other weights, so it is not used. Fit it again.",
            icon=":material/history:",
        )
    if calibration.is_fitted:
        _tell_fitted(calibration)
    if not may_change(subject.run.owner):
        show_owner(subject.run.owner)
        return
    with st.container(horizontal=True):
        is_asked = st.button(
            "Fit again" if calibration.is_fitted else "Fit on the validation images",
            icon=":material/thermostat:",
            type="secondary" if calibration.is_fitted else "primary",
            on_click=st.session_state.pop,
            args=(CANCELLED, None),
            help="Finds the one number by which the network's outputs are divided so that its probabilities fit best. No answer changes, only how sure it is.",
        )
        if calibration.is_fitted and st.button("Remove the temperature", icon=":material/delete:"):
            save_calibration(subject.folder, Calibration(threshold=calibration.threshold))
            st.rerun()
    if is_asked:
        _fit(subject, calibration)


def _tell_fitted(calibration: Calibration) -> None:
    from cnn_core.metrics.calibration import FEW_IMAGES

    way = "less sure" if calibration.temperature > 1 else "surer"
    st.markdown(
        f"A temperature of **{calibration.temperature:.2f}**, fitted on {calibration.images:,} validation images, makes it {way}: their "
        f"calibration error went from {calibration.error_before:.1%} to {calibration.error_after:.1%}. "
        "The Gallery and the command line use it; the other views show the network as it was trained."
    )
    if calibration.error_after >= calibration.error_before:
        st.warning(
            "By that measure it did not help. Remove the temperature, or fit it on more images.", icon=":material/warning:"
        )
    if calibration.images < FEW_IMAGES:
        st.warning(
            f"{calibration.images:,} validation images are few for this: another draw could have given quite another temperature. "
            f"With a larger validation share, at least {FEW_IMAGES} images, it can be relied on.",
            icon=":material/warning:",
        )


def _fit(subject: EvaluationSubject, calibration: Calibration) -> None:
    """Fit the temperature and keep it; what was chosen as threshold stays."""
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
            save_calibration(subject.folder, fitted)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()


@st.fragment
def _show_threshold(subject: EvaluationSubject, evaluation: "Evaluation", calibration: Calibration) -> None:
    from cnn_core.metrics.abstention import abstain, abstention_curve
    from pages.charts.calibration import coverage_chart

    st.caption("Below the threshold no answer is given. A higher one gives fewer answers, of which more are right.")
    percent = st.slider(
        "Threshold (probability in %)",
        0.0,
        100.0,
        100 * calibration.threshold,
        0.5,
        format="%.1f",
        key=f"trust-threshold-{subject.name}-{calibration.threshold}-{calibration.temperature}",
        help="The least probability of the most probable class at which the network answers. 0 answers always.",
    )
    threshold = round(percent / 100, 4)
    confidence, is_right = evaluation.scores.confidence, evaluation.is_right
    at = abstain(confidence, is_right, np.array([threshold]))
    st.markdown(_answers_in_words(at, PARTS[subject.part]))
    st.plotly_chart(
        coverage_chart(abstention_curve(confidence, is_right), at),
        config={"displayModeBar": False},
        alt="Share of right answers by the share of images that are answered, with the chosen threshold marked",
    )
    if subject.epoch is None:
        _show_saving(subject, threshold, calibration)


def _answers_in_words(at: "Abstention", images: str) -> str:
    if not at.answered[0]:
        return f"It would answer none of the {at.count:,} {images} images: lower the threshold."
    low, high = at.accuracy_interval()
    lost = at.all_right - int(at.right[0])
    lines = (
        f"It answers **{at.coverage[0]:.1%}** of the {images} images ({at.answered[0]:,} of {at.count:,}) and is right in "
        f"**{at.accuracy[0]:.1%}** of its answers (with 95 % confidence between {low:.1%} and {high:.1%})."
    )
    if not at.all_right:
        return lines
    wrong = at.count - at.all_right - int(at.answered[0] - at.right[0])
    return f"{lines} Of its right answers it keeps {at.kept[0]:.1%}: {lost:,} are lost, and {wrong:,} wrong ones are withheld."


def _show_saving(subject: EvaluationSubject, threshold: float, calibration: Calibration) -> None:
    used = (
        f"The Gallery says “I don’t know” below {100 * calibration.threshold:g}%."
        if calibration.threshold
        else "The Gallery answers always."
    )
    st.caption(used)
    if not may_change(subject.run.owner):
        return
    with st.container(horizontal=True):
        if st.button(
            "Use this threshold in the Gallery",
            icon=":material/save:",
            disabled=threshold == calibration.threshold,
            help="Kept in the run's folder, for the network as it is now.",
        ):
            _keep_threshold(subject, calibration, threshold)
        if calibration.threshold and st.button("Answer always", icon=":material/restart_alt:"):
            _keep_threshold(subject, calibration, 0.0)


def _keep_threshold(subject: EvaluationSubject, calibration: Calibration, threshold: float) -> None:
    save_calibration(subject.folder, calibration.model_copy(update={"threshold": threshold}))
    st.rerun()
