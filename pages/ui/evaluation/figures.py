"""Accuracy and loss, the confusion matrix, precision, recall and F1 of every class."""

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.charts import confusion_heatmap
from pages.ui.evaluation.subject import PARTS, Subject

if TYPE_CHECKING:
    from cnn_core.analysis.evaluation import Evaluation


def show_figures(subject: Subject) -> None:
    """The view."""
    evaluation = subject.evaluation()
    _show_metrics(subject, evaluation)
    left, right = st.columns([3, 2])
    with left:
        _show_confusion(evaluation)
    with right:
        _show_classes(evaluation)


def _show_metrics(subject: Subject, evaluation: "Evaluation") -> None:
    name = PARTS[subject.part].capitalize()
    figures = st.grid(4, min_column_width=150)
    best = subject.run.summary.get("best_val_accuracy")
    figures.metric(
        f"{name} accuracy",
        f"{evaluation.accuracy:.2%}",
        border=True,
        help="Share of the test images whose most probable class is the true one.",
    )
    figures.metric(
        f"{name} loss", f"{evaluation.loss:.4f}", border=True, help="Mean cross-entropy per test image, in nats; lower is better."
    )
    figures.metric(
        f"{name} images",
        f"{len(evaluation.labels):,}",
        border=True,
        help="Never used for training or for choosing the best epoch.",
    )
    figures.metric(
        "Best validation accuracy",
        f"{best:.2%}" if best is not None else "–",
        border=True,
        help="Of the epoch whose weights were kept.",
    )


def _show_confusion(evaluation: "Evaluation") -> None:
    st.subheader("Confusion matrix")
    st.caption("A row is a true class, a column what the network said. The diagonal is right; everything beside it is a mix-up.")
    st.plotly_chart(
        confusion_heatmap(evaluation.confusion, evaluation.classes),
        config={"displayModeBar": False},
        alt="Confusion matrix of true and predicted classes",
    )


def _show_classes(evaluation: "Evaluation") -> None:
    st.subheader("Per class")
    st.caption("Precision: right among those predicted. Recall: found among those there. F1: their harmonic mean.")
    metrics = evaluation.per_class
    share = {name: st.column_config.NumberColumn(name, format="percent", width="small") for name in ("Precision", "Recall", "F1")}
    table = {
        "Class": evaluation.classes,
        "Precision": metrics.precision,
        "Recall": metrics.recall,
        "F1": metrics.f1,
        "Images": metrics.support,
    }
    st.dataframe(table, hide_index=True, column_config=share, height="content" if len(evaluation.classes) <= 20 else 720)
