"""The Robustness view: accuracy on corrupted images, measured on request and cached with the run."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.robustness import robustness_chart
from pages.shared.chart import show_chart
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.progress import CANCELLED, run_with_progress
from pages.views.evaluate.robustness_examples import show_examples

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.robustness import Robustness

SIZES = (500, 2000)  # images; for 32×32 pixels a SimpleCNN takes 5.6 and 22 s of processor time, half of that on two free cores
REQUESTED = "robustness-requested"
ABOUT = (
    "The same images are classified again under seven corruptions at five strengths each (after D. Hendrycks and T. Dietterich, 2019). "
    "The strengths, and the corruptions rotation and shift, differ from theirs, so results cannot be compared with their benchmark. Training with similar augmentation "
    "improves robustness."
)

NOT_MEASURED = "Not measured yet on {sample}. Press Measure. The result is saved with the run."
MEASURED = "Measured on {sample}. The 95% interval of an accuracy is at most ±{margin:.1f} percentage points."
ALL_IMAGES, SAMPLE = "all {total:,} {split} images", "{count:,} of the {total:,} {split} images"
ROBUST = "No corruption lowers the accuracy of **{accuracy:.1%}**."
LEAST_ROBUST = "Least robust to **{name}**: accuracy falls from **{clean:.1%}** to **{accuracy:.1%}** at strength 5."
MOST_ROBUST = "Most robust to **{name}**: {accuracy:.1%} at strength 5."


def show_robustness(subject: EvaluationSubject) -> None:
    """Show the view."""
    evaluation = subject.evaluation()
    sentence = st.container()
    st.header("Accuracy on corrupted images")
    st.caption(ABOUT)
    if np.isnan(evaluation.scores.confidence).all():
        st.info(
            "The model diverged: its outputs are not finite numbers, so robustness cannot be measured. Choose another epoch or run.",
            icon=":material/trending_up:",
        )
        return
    limit = _choose_size(subject, evaluation)
    measured, examples = st.container(), st.container()
    result = _read(subject, evaluation, limit)
    with examples:  # drawn first, because a measurement takes a while
        show_examples(subject, evaluation, _least_robust(result) if result else "blur")
    with measured:
        result = result or _measure(subject, evaluation, limit)
        if result:
            sentence.markdown(summarise(result))
            _show(subject, evaluation, result)


def _choose_size(subject: EvaluationSubject, evaluation: "Evaluation") -> int:
    """Return the number of images to measure on; by default the largest with a cached result, else the smallest."""
    total = len(evaluation)
    sizes = [size for size in SIZES if size < total] + [total]
    if len(sizes) == 1:
        return total
    cached = [size for size in sizes if _read(subject, evaluation, size)]
    return st.segmented_control(
        "Images",
        sizes,
        default=cached[-1] if cached else sizes[0],
        required=True,
        format_func=lambda size: f"all {size:,}" if size == total else f"{size:,}",
        key=f"robustness-size-{subject.name}",
        help=f"A random sample of the {SPLITS[subject.split]} images, always the same. More images take longer and give narrower intervals.",
    )


def _read(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> "Robustness | None":
    from cnn_core.metrics.robustness import read_robustness

    return read_robustness(subject.folder, evaluation.key, count)


def _measure(subject: EvaluationSubject, evaluation: "Evaluation", limit: int) -> "Robustness | None":
    """Show the button and return None; after it was pressed, measure with progress and return the result."""
    from cnn_core.metrics.robustness import evaluate_robustness

    name = f"robustness-{evaluation.key}-{limit}-{subject.run.id}"
    if st.session_state.get(REQUESTED) != name:
        st.button(
            "Measure", key="measure-robustness", type="primary", icon=":material/play_arrow:", on_click=_request, args=(name,)
        )
        st.info(NOT_MEASURED.format(sample=_describe_sample(subject, evaluation, limit)), icon=":material/info:")
        return None
    result = run_with_progress(evaluate_robustness(subject.folder, subject.epoch, evaluation.key, subject.images(), limit), name)
    st.session_state.pop(REQUESTED, None)
    return result


def _request(name: str) -> None:
    st.session_state[REQUESTED] = name
    st.session_state.pop(CANCELLED, None)


def _describe_sample(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> str:
    split, total = SPLITS[subject.split], len(evaluation)
    return (ALL_IMAGES if count == total else SAMPLE).format(count=count, total=total, split=split)


def _show(subject: EvaluationSubject, evaluation: "Evaluation", result: "Robustness") -> None:
    """Show the result as a chart and a table."""
    chart, table = st.columns([2, 1])
    with chart:
        alt = f"Accuracy by strength for seven corruptions. {summarise(result).replace('**', '')}"
        show_chart(robustness_chart(result, len(evaluation.classes)), alt=alt)
    with table:
        _show_table(result)
        low, high = result.interval(0.5)
        st.caption(MEASURED.format(sample=_describe_sample(subject, evaluation, result.count), margin=50 * (high - low)))
    if subject.split == "train":
        st.caption("The model was trained on these images: accuracy on test images is lower.")


def summarise(result: "Robustness") -> str:
    """Return which corruptions lower the mean accuracy most and least, in a sentence."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy, worst = result.accuracy, result.worst
    clean, best = float(accuracy[0, 0]), int(accuracy[:, 1:].mean(1).argmax())
    if accuracy[worst, 1:].mean() >= clean:
        return ROBUST.format(accuracy=clean)
    least = LEAST_ROBUST.format(name=CORRUPTIONS[worst].name, clean=clean, accuracy=accuracy[worst, -1])
    return f"{least} {MOST_ROBUST.format(name=CORRUPTIONS[best].name, accuracy=accuracy[best, -1])}"


def _least_robust(result: "Robustness") -> str:
    from cnn_core.metrics.corruptions import CORRUPTIONS

    return CORRUPTIONS[result.worst].name


def _show_table(result: "Robustness") -> None:
    """Show the corruptions as a table, lowest mean accuracy first."""
    from cnn_core.metrics.corruptions import CORRUPTIONS

    accuracy = result.accuracy
    means = accuracy[:, 1:].mean(1)
    order = means.argsort(kind="stable")
    number = st.column_config.NumberColumn
    st.dataframe(
        {
            "Corruption": [CORRUPTIONS[place].name for place in order],
            "Mean": 100 * means[order],
            "Decrease": 100 * (accuracy[0, 0] - means[order]),
            "Strength 5": 100 * accuracy[order, -1],
        },
        hide_index=True,
        height="content",
        column_config={
            "Mean": number("Mean", format="%.1f%%", help="Mean accuracy over the five strengths."),
            "Decrease": number(
                "Decrease", format="%.1f", help="Accuracy without corruption minus the mean, in percentage points."
            ),
            "Strength 5": number("Strength 5", format="%.1f%%", help="Accuracy at the highest strength."),
        },
        alt="Mean accuracy under each corruption, the decrease, and accuracy at strength 5",
    )
