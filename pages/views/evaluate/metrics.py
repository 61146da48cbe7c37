"""Accuracy with its interval and the other figures of one part, every class's own, and the curves of a chosen class."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.threshold_curves import precision_recall_chart, roc_chart
from pages.shared.evaluation_results import compute_once
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.threshold_curves import Areas

NAMED = 5  # classes without images that are called by name
TALLEST = 720  # pixels of the table of classes
NEWNESS = {
    "test": "They were never used for training or for choosing the best epoch.",
    "val": "The network did not learn from them, but they chose its best epoch: on new images it may do a little worse.",
    "train": "The network learned from them, so new images are harder: look at the test images to know how it does on those.",
}


def show_metrics(subject: EvaluationSubject) -> None:
    """The view."""
    evaluation = subject.evaluation()
    _show_metrics(subject, evaluation)
    _show_classes(subject, evaluation)
    _show_curves(subject, evaluation)


def _show_metrics(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    from cnn_core.metrics.classification import choose_k, top_k_accuracy
    from cnn_core.metrics.intervals import wilson_interval

    part, best = PARTS[subject.part], subject.run.summary.get("best_val_accuracy")
    low, high = wilson_interval(int(evaluation.is_right.sum()), len(evaluation))
    k = choose_k(len(evaluation.classes))
    figures = st.grid(5 if k else 4, min_column_width=150)
    figures.metric(
        f"{part.capitalize()} accuracy",
        f"{evaluation.accuracy:.2%}",
        delta=f"95 %: {low:.1%} to {high:.1%}",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=f"Share of the {part} images whose most probable class is the true one. Below it Wilson's 95 % interval: how far chance in "
        f"the choice of {len(evaluation):,} images may move the figure.",
    )
    if k:
        figures.metric(
            f"Top-{k} accuracy",
            f"{top_k_accuracy(evaluation.scores.rank, k):.2%}",
            border=True,
            help=f"Share of the {part} images whose true class is among the {k} most probable ones.",
        )
    figures.metric(
        f"{part.capitalize()} loss",
        f"{evaluation.loss:.4f}",
        border=True,
        help=f"Mean cross-entropy per {part} image, in nats; lower is better.",
    )
    figures.metric(f"{part.capitalize()} images", f"{len(evaluation):,}", border=True, help=NEWNESS[subject.part])
    figures.metric(
        "Best validation",
        f"{best:.2%}" if best is not None else "–",
        border=True,
        help="Accuracy on the validation images, of the epoch whose weights were kept as the best ones.",
    )


def _show_classes(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    metrics, areas = evaluation.per_class, _areas_of(subject, evaluation)
    st.subheader("Classes")
    st.caption(
        "Precision: right among those predicted. Recall: found among those there. F1: their harmonic mean. AP: the area below the "
        "precision-recall curve. AUC: that below the ROC curve; 50 % is guessing. Click a column's head to sort by it."
    )
    is_there = metrics.support > 0
    table = {
        "Class": evaluation.classes,
        "Precision": np.where(is_there | (metrics.predicted > 0), metrics.precision, np.nan),
        "Recall": np.where(is_there, metrics.recall, np.nan),
        "F1": np.where(is_there, metrics.f1, np.nan),
    }
    if areas:
        table |= {"AP": areas.average_precision, "AUC": areas.roc_auc}
    table["Images"] = metrics.support
    height = "content" if len(evaluation.classes) <= 20 else TALLEST
    st.dataframe(table, hide_index=True, column_config=_shares(), height=height, alt="Figures of every class")
    _tell_missing(subject, evaluation)
    means = {
        "Mean": ["macro", "weighted"],
        **dict(zip(("Precision", "Recall", "F1"), zip(metrics.macro, metrics.weighted, strict=True), strict=True)),
    }
    if areas:
        means |= dict(zip(("AP", "AUC"), zip(areas.macro(), areas.weighted(metrics.support), strict=True), strict=True))
    st.dataframe(means, hide_index=True, column_config=_shares(), alt="Means over the classes")
    st.caption("Macro: every class counts the same. Weighted: every image counts the same, so large classes count more.")


def _shares() -> dict[str, object]:
    return {
        name: st.column_config.NumberColumn(name, format="percent", width="small")
        for name in ("Precision", "Recall", "F1", "AP", "AUC")
    }


def _tell_missing(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    missing = [name for name, count in zip(evaluation.classes, evaluation.per_class.support, strict=True) if not count]
    if not missing:
        return
    more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
    st.info(
        f"There is no {PARTS[subject.part]} image of {', '.join(map(plain, missing[:NAMED]))}{more}: how well such images are found "
        "cannot be said, so those figures are left empty and out of the means of AP and AUC. Choose other images, or add some to the data set.",
        icon=":material/info:",
    )


def _areas_of(subject: EvaluationSubject, evaluation: "Evaluation") -> "Areas | None":
    """Of every class, computed with progress once for all sessions; None where there are too many classes for that."""
    from cnn_core.metrics.threshold_curves import MOST_CLASSES, class_areas

    if len(evaluation.classes) > MOST_CLASSES:
        return None
    return compute_once(subject, evaluation, f"areas-{evaluation.temperature}", lambda: class_areas(evaluation))


@st.fragment
def _show_curves(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    from cnn_core.metrics.threshold_curves import class_thresholds

    st.subheader("One class against the rest")
    label = st.selectbox(
        "Class",
        range(len(evaluation.classes)),
        format_func=evaluation.classes.__getitem__,
        key=f"curves-class-{subject.run.id}",
        help="An image is called this class wherever its probability reaches a threshold. A lower one finds more and errs more often.",
        width=320,
    )
    curve, name = class_thresholds(evaluation, label), evaluation.classes[label]
    if not curve.positives or not curve.negatives:
        st.info(_why_no_curve(subject, evaluation, label), icon=":material/info:")
        return
    left, right = st.columns(2)
    for place, title, value, figure in (
        (left, "Precision and recall: average precision", curve.average_precision, precision_recall_chart(curve)),
        (right, "ROC: area under the curve", curve.roc_auc, roc_chart(curve)),
    ):
        with place:
            st.markdown(f"{title} **{value:.2%}**")
            alt = f"{title.partition(':')[0]} of class {name} at every threshold"
            st.plotly_chart(figure, config={"displayModeBar": False}, alt=alt)
    st.caption("Dashed: what guessing would reach.")


def _why_no_curve(subject: EvaluationSubject, evaluation: "Evaluation", label: int) -> str:
    part, name, support = PARTS[subject.part], plain(evaluation.classes[label]), evaluation.per_class.support
    if not support[label]:
        return f"There is no {part} image of {name}, so it has no curve here. Choose another class, or other images."
    if support[label] == len(evaluation):
        return f"Every {part} image is of {name}: there is nothing to tell it from. Choose other images."
    return "The network diverged: its probabilities are no numbers. Choose another epoch or run."
