"""What the network still gets right when its images are spoilt: measured on request, kept with the run, shown as lines by strength."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.robustness import robustness_chart
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.progress import CANCELLED, run_with_progress
from pages.views.evaluate.robustness_examples import show_examples

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.robustness import Robustness

SIZES = (500, 2000)  # images; of 32×32 a SimpleCNN takes 5.6 and 22 s of processor time, so half of that on two free cores
ASKED = "robustness-asked"
ABOUT = (
    "Pictures in the world are noisy, blurred, dark or tilted. Here the same images are classified again after seven corruptions at five "
    "strengths each. The idea is that of D. Hendrycks and T. Dietterich (2019); the strengths, and rotation and shift, are our own, so "
    "figures cannot be compared with those of their benchmark. A network that was trained with such changes (augmentation) bears them better."
)


def show_robustness(subject: EvaluationSubject) -> None:
    """The view."""
    st.subheader("Accuracy on spoilt images")
    st.caption(ABOUT)
    evaluation = subject.evaluation()
    if np.isnan(evaluation.scores.confidence).all():
        st.info(
            "The network diverged: its outputs are no numbers, so no corruption can make it worse. Choose another network or run.",
            icon=":material/trending_up:",
        )
        return
    most = _choose_size(subject, evaluation)
    measured, examples = st.container(), st.container()
    found = _read(subject, evaluation, most)
    with examples:  # the first: a measurement takes its time
        show_examples(subject, evaluation, _weakest(found) if found else "blur")
    with measured:
        found = found or _measure(subject, evaluation, most)
        if found:
            _show(subject, evaluation, found)


def _choose_size(subject: EvaluationSubject, evaluation: "Evaluation") -> int:
    """On how many images; at first the largest number that was measured already, else the smallest."""
    total = len(evaluation)
    sizes = [size for size in SIZES if size < total] + [total]
    if len(sizes) == 1:
        return total
    kept = [size for size in sizes if _read(subject, evaluation, size)]
    return st.segmented_control(
        "Images to measure on",
        sizes,
        default=kept[-1] if kept else sizes[0],
        required=True,
        format_func=lambda size: f"all {size:,}" if size == total else f"{size:,}",
        key=f"robustness-size-{subject.name}",
        help=f"Drawn at random from the {PARTS[subject.part]} images, the same ones every time. More take longer, and their figures are surer.",
    )


def _read(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> "Robustness | None":
    from cnn_core.metrics.robustness import read_robustness

    return read_robustness(subject.folder, evaluation.key, count)


def _measure(subject: EvaluationSubject, evaluation: "Evaluation", most: int) -> "Robustness | None":
    """With progress once the button was pressed; before, None, and what to do."""
    from cnn_core.metrics.robustness import robustness_of

    name = f"robustness-{evaluation.key}-{most}-{subject.run.id}"
    if st.session_state.get(ASKED) != name:
        st.button("Measure", type="primary", icon=":material/play_arrow:", on_click=_ask, args=(name,))
        st.info(
            f"Not measured yet on {_sample(subject, evaluation, most)}. Press “Measure”: the time that is left is told, "
            "and what was measured is kept with the run.",
            icon=":material/info:",
        )
        return None
    found = run_with_progress(robustness_of(subject.folder, subject.epoch, evaluation.key, subject.images(), most), name)
    st.session_state.pop(ASKED, None)
    return found


def _ask(name: str) -> None:
    st.session_state[ASKED] = name
    st.session_state.pop(CANCELLED, None)


def _sample(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> str:
    part, total = PARTS[subject.part], len(evaluation)
    return f"all {total:,} {part} images" if count == total else f"{count:,} of the {total:,} {part} images"


def _show(subject: EvaluationSubject, evaluation: "Evaluation", found: "Robustness") -> None:
    """In a sentence, as lines, and as a table."""
    sentence = _in_words(found)
    st.markdown(sentence)
    chart, table = st.columns([2, 1])
    with chart:
        alt = f"Accuracy by strength for seven corruptions. {sentence.replace('**', '')}"
        st.plotly_chart(robustness_chart(found, len(evaluation.classes)), config={"displayModeBar": False}, alt=alt)
    with table:
        _show_table(found)
        low, high = found.interval(0.5)
        st.caption(
            f"Measured on {_sample(subject, evaluation, found.count)}. By chance in their choice, an accuracy may be off by up to "
            f"{50 * (high - low):.1f} percentage points (95 % interval)."
        )
    if subject.part == "train":
        st.caption("The network learned from these images as they are: on test images all lines lie lower.")


def _in_words(found: "Robustness") -> str:
    """Which corruption costs most and which least, by the mean over the strengths."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy, worst = found.accuracy, found.worst
    plain, best = float(accuracy[0, 0]), int(accuracy[:, 1:].mean(1).argmax())
    if accuracy[worst, 1:].mean() >= plain:
        return f"No corruption costs it anything: as they are, **{plain:.1%}** of the images are classified right."
    return (
        f"It loses most under **{CORRUPTIONS[worst].name}**: from **{plain:.1%}** to **{accuracy[worst, -1]:.1%}** at strength 5. "
        f"It bears **{CORRUPTIONS[best].name}** best: {accuracy[best, -1]:.1%} at strength 5."
    )


def _weakest(found: "Robustness") -> str:
    from cnn_core.metrics.corruptions import CORRUPTIONS

    return CORRUPTIONS[found.worst].name


def _show_table(found: "Robustness") -> None:
    """The corruption that costs most comes first."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy = found.accuracy
    means = accuracy[:, 1:].mean(1)
    order = means.argsort(kind="stable")
    share = st.column_config.NumberColumn
    st.dataframe(
        {
            "Corruption": [CORRUPTIONS[place].name for place in order],
            "Mean": 100 * means[order],
            "Lost": 100 * (accuracy[0, 0] - means[order]),
            "At 5": 100 * accuracy[order, -1],
        },
        hide_index=True,
        height="content",
        column_config={
            "Mean": share("Mean", format="%.1f%%", help="Accuracy, mean over the five strengths."),
            "Lost": share("Lost", format="%.1f", help="Percentage points by which the mean lies below the accuracy as they are."),
            "At 5": share("At 5", format="%.1f%%", help="Accuracy at the highest strength."),
        },
        alt="Mean accuracy under every corruption, what it lost, and accuracy at strength 5",
    )
