"""The Metrics view: accuracy with its interval, metrics of each class, and curves of a chosen class."""

from typing import TYPE_CHECKING, Literal

import streamlit as st

from cnn_core.runs.out_of_fold import HELP as OUT_OF_FOLD_HELP
from cnn_core.runs.out_of_fold import out_of_fold_result
from cnn_core.text import counted, format_loss, format_percent
from pages.charts.class_recall import MOST, recall_chart
from pages.charts.threshold_curves import precision_recall_chart, roc_chart
from pages.shared.chart import show_chart
from pages.shared.evaluation_results import compute_once
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.text import plain
from pages.views.evaluate.summary import summarise_metrics

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.threshold_curves import ClassAreas

NAMED = 5  # classes without images that are listed by name
TALLEST = 720  # pixels of the table of classes
NO_IMAGES_OF = (
    "There is no {split} image of {classes}. Metrics that need such images are empty, and are left out of the means of AP and AUC. Choose another "
    "split, or add images to the data set."
)
LOWEST = "The {shown} classes with the lowest recall, of {count:,}. The table below has all."
AND_MORE = " and {count:,} more"
SPLIT_HELP = {
    "test": "Test images are not used for training or for choosing the best epoch.",
    "val": "Validation images are not used for training, but they choose the best epoch: accuracy on new images may be slightly lower.",
    "train": "The model was trained on these images: accuracy on new images is lower. Choose test images to see it.",
}


def show_metrics(subject: EvaluationSubject) -> None:
    """Show the view."""
    evaluation = subject.evaluation()
    st.markdown(summarise_metrics(evaluation, SPLITS[subject.split]))
    st.header("Recall by class")
    if (present := int((evaluation.per_class.support > 0).sum())) > MOST:
        st.caption(LOWEST.format(shown=MOST, count=present))
    show_chart(recall_chart(evaluation.per_class, evaluation.classes), alt="Recall by class, lowest first", with_table=False)
    st.header("Accuracy and loss")
    _show_metrics(subject, evaluation)
    _show_classes(subject, evaluation)
    _show_curves(subject, evaluation)


def _show_metrics(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    from cnn_core.metrics.classification import choose_k, top_k_accuracy
    from cnn_core.metrics.intervals import wilson_interval

    split, best = SPLITS[subject.split], subject.run.summary.get("best_val_accuracy")
    low, high = wilson_interval(int(evaluation.is_correct.sum()), len(evaluation))
    k = choose_k(len(evaluation.classes))
    estimates = out_of_fold_result(subject.run.summary) if subject.split == "val" and subject.epoch is None else None
    columns = st.grid(4 + bool(k) + bool(estimates), min_column_width=165)
    columns.metric(
        f"{split.capitalize()} accuracy",
        f"{evaluation.accuracy:.2%}",
        delta=f"{low:.1%} to {high:.1%}",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=f"Fraction of the {split} images that are classified correctly. Below: the 95% confidence interval (Wilson) for "
        f"{len(evaluation):,} images.",
    )
    if k:
        columns.metric(
            f"Top-{k} accuracy",
            f"{top_k_accuracy(evaluation.scores.rank, k):.2%}",
            border=True,
            help=f"Fraction of the {split} images whose true class is among the {k} most probable classes.",
        )
    columns.metric(
        f"{split.capitalize()} loss",
        format_loss(evaluation.loss),
        border=True,
        help=f"Mean cross-entropy per {split} image, in nats; lower is better.",
    )
    columns.metric(f"{split.capitalize()} images", f"{len(evaluation):,}", border=True, help=SPLIT_HELP[subject.split])
    columns.metric(
        "Best validation",
        format_percent(best, 2),
        border=True,
        help="Validation accuracy of the best epoch. The weights of this epoch are saved as the best model.",
    )
    if estimates:
        columns.metric(
            "Out-of-fold accuracy",
            f"{estimates.out_of_fold.accuracy:.2%}",
            delta=estimates.out_of_fold.interval,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"{OUT_OF_FOLD_HELP} Below: the 95% confidence interval (Wilson) for {counted(estimates.out_of_fold.images, 'image')}.",
        )
        st.caption(estimates.advice)


def _show_classes(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    metrics, areas = evaluation.per_class, _get_areas(subject, evaluation)
    st.header("Metrics by class")
    st.caption(
        "Precision: fraction of the images predicted as the class that belong to it. Recall: fraction of the class's images that are found. "
        "F1: their harmonic mean. AP: area under the precision-recall curve. AUC: area under the ROC curve; 50% is chance level. Click a "
        "column header to sort."
    )
    table = {"Class": evaluation.classes, **dict(zip(("Precision", "Recall", "F1"), metrics.measured, strict=True))}
    if areas:
        table |= {"AP": areas.average_precision, "AUC": areas.roc_auc}
    table["Images"] = metrics.support
    height: int | Literal["content"] = "content" if len(evaluation.classes) <= 20 else TALLEST
    st.dataframe(
        table, hide_index=True, column_config=_percent_columns(), height=height, placeholder="–", alt="Metrics of each class"
    )
    _show_missing_classes(subject, evaluation)
    means = {
        "Mean": ["macro", "weighted"],
        **dict(zip(("Precision", "Recall", "F1"), zip(metrics.macro, metrics.weighted, strict=True), strict=True)),
    }
    if areas:
        means |= dict(zip(("AP", "AUC"), zip(areas.macro(), areas.weighted(metrics.support), strict=True), strict=True))
    st.dataframe(means, hide_index=True, column_config=_percent_columns(), placeholder="–", alt="Means over the classes")
    st.caption("Macro: every class has the same weight. Weighted: every image has the same weight.")


def _percent_columns() -> "dict[str, ColumnConfig]":
    return {
        name: st.column_config.NumberColumn(name, format="percent", width="small")
        for name in ("Precision", "Recall", "F1", "AP", "AUC")
    }


def _show_missing_classes(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    missing = [name for name, count in zip(evaluation.classes, evaluation.per_class.support, strict=True) if not count]
    if not missing:
        return
    more = AND_MORE.format(count=len(missing) - NAMED) if len(missing) > NAMED else ""
    classes = ", ".join(map(plain, missing[:NAMED])) + more
    st.info(NO_IMAGES_OF.format(split=SPLITS[subject.split], classes=classes), icon=":material/info:")


def _get_areas(subject: EvaluationSubject, evaluation: "Evaluation") -> "ClassAreas | None":
    """Return AP and AUC of each class, computed once for all sessions; None above MOST_CLASSES classes."""
    from cnn_core.metrics.threshold_curves import MOST_CLASSES, compute_class_areas

    if len(evaluation.classes) > MOST_CLASSES:
        return None
    return compute_once(subject, evaluation, f"areas-{evaluation.temperature}", lambda: compute_class_areas(evaluation))


@st.fragment
def _show_curves(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    from cnn_core.metrics.threshold_curves import class_thresholds

    st.header("One class against the rest")
    label = st.selectbox(
        "Class",
        range(len(evaluation.classes)),
        format_func=evaluation.classes.__getitem__,
        key=f"curves-class-{subject.run.id}",
        help="An image is predicted as this class if its probability reaches a threshold. A lower threshold finds more images, with more errors.",
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
            show_chart(figure, alt=alt)
    st.caption("Dashed: chance level.")


def _why_no_curve(subject: EvaluationSubject, evaluation: "Evaluation", label: int) -> str:
    split, name, support = SPLITS[subject.split], plain(evaluation.classes[label]), evaluation.per_class.support
    if not support[label]:
        return f"There is no {split} image of {name}, so it has no curve. Choose another class or split."
    if support[label] == len(evaluation):
        return f"Every {split} image is of {name}, so there is no curve. Choose another split."
    return "The model diverged: its probabilities are not finite numbers. Choose another epoch or run."
