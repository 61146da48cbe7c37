"""The Compare view: two models on the same images, their difference in accuracy, by class, and the images that changed."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.errors import RunError
from cnn_core.home import saved_epochs
from cnn_core.runs.run import Run
from cnn_core.text import counted
from pages.charts.comparison import MOST, changes_chart
from pages.shared.address import set_parameter
from pages.shared.chart import show_chart
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.evaluate.summary import COMPARE

if TYPE_CHECKING:
    from cnn_core.metrics.model_comparison import Comparison

SIDES = {
    "Correct only with B": "Misclassified by A, correct with B.",
    "Correct only with A": "Correct with A, misclassified by B.",
    "Both wrong": "Misclassified by both, as different classes.",
}
TALLEST = 720  # pixels of the table of classes


def show_comparison(subject: EvaluationSubject) -> None:
    """Show the view."""
    st.markdown(COMPARE)
    other = _choose_other(subject)
    if other is None:
        return
    st.caption(
        f"A: {plain(_describe_model(subject))} (chosen above). B: {plain(_describe_model(other))}. Both are evaluated on the same "
        f"{SPLITS[subject.split]} images."
    )
    _warn_of_changed_data(subject, other)
    from cnn_core.metrics.model_comparison import compare

    try:
        comparison = compare(subject.evaluation(), other.evaluation())
    except RunError as error:
        st.info(plain(error), icon=":material/compare_arrows:")
        return
    _show_verdict(subject, comparison)
    _show_classes(comparison)
    _show_images(subject, other, comparison)


def _choose_other(subject: EvaluationSubject) -> EvaluationSubject | None:
    """Show the choice of model B and return it. If there is none, show a message and return None."""
    choices = _others(subject)
    if not choices:
        st.info(
            f"There is no other model to compare on these {SPLITS[subject.split]} images. Train another run on the same data"
            f"{'' if subject.split == 'test' else ', with the same validation split and seed'}.",
            icon=":material/compare_arrows:",
        )
        st.page_link(page_file("configure"), label="Choose settings", icon=":material/tune:")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by_id = {run.id: run for run in choices}
        requested = st.query_params.get("with")
        chosen = st.selectbox(
            "Compare with run",
            list(by_id),
            index=list(by_id).index(requested) if requested in by_id else 0,
            format_func=lambda run: by_id[run].name or run,
            key=f"compare-run-{subject.name}",
            width=300,
            help="Trained runs on the same data.",
        )
        set_parameter("with", chosen)
        epoch = st.selectbox(
            "Model",
            [number or 0 for number in _models(by_id[chosen], subject)],
            format_func=lambda number: f"after epoch {number}" if number else "best",
            key=f"compare-epoch-{chosen}-{subject.name}",
            width=180,
        )
    return EvaluationSubject(by_id[chosen], epoch or None, subject.split)


def _others(subject: EvaluationSubject) -> list[Run]:
    """Return the runs with a model to compare on the same images; the subject's own run is last."""
    store = get_store()
    runs = [run for run in store.runs() if store.has_model(run.id) and _has_same_images(subject, run) and _models(run, subject)]
    return sorted(runs, key=lambda run: run.id == subject.run.id)


def _has_same_images(subject: EvaluationSubject, run: Run) -> bool:
    mine, theirs = subject.run.config, run.config
    if mine.data != theirs.data:
        return False
    is_split = subject.split != "test" and not subject.source.info.val_count
    return not is_split or (mine.validation_share, mine.seed) == (theirs.validation_share, theirs.seed)


def _models(run: Run, subject: EvaluationSubject) -> list[int | None]:
    """Return the best model (None) and the saved epochs, without the subject's own."""
    models: list[int | None] = [None, *reversed(saved_epochs(get_store().home.run_folder(run.id)))]
    if run.id != subject.run.id:
        return models
    best = run.summary.get("best_epoch")  # the best model is that of an epoch
    return [epoch for epoch in models if (epoch or best) != (subject.epoch or best)]


def _describe_model(subject: EvaluationSubject) -> str:
    return f"{subject.run.name or subject.run.id}, {'best model' if subject.epoch is None else f'after epoch {subject.epoch}'}"


def _warn_of_changed_data(subject: EvaluationSubject, other: EvaluationSubject) -> None:
    from cnn_core.models.saving import read_card

    if read_card(subject.folder).fingerprint != read_card(other.folder).fingerprint:
        st.warning(
            "The data was changed between the training of A and that of B, so one of them may have been trained on images of this evaluation. "
            "Train both on the current data.",
            icon=":material/warning:",
        )


def _show_verdict(subject: EvaluationSubject, comparison: "Comparison") -> None:
    from cnn_core.metrics.intervals import SIGNIFICANCE
    from cnn_core.metrics.model_comparison import verdict

    is_significant = comparison.p < SIGNIFICANCE
    (st.success if is_significant else st.info)(
        verdict(comparison), icon=":material/balance:" if is_significant else ":material/drag_handle:"
    )
    low, high = comparison.interval
    metrics = st.grid(4, min_column_width=150)
    metrics.metric(f"A: {SPLITS[subject.split]} accuracy", f"{comparison.first.accuracy:.2%}", border=True)
    metrics.metric(
        f"B: {SPLITS[subject.split]} accuracy",
        f"{comparison.second.accuracy:.2%}",
        delta=f"95%: {100 * low:+.1f} to {100 * high:+.1f}",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="Below: the 95% confidence interval of the difference B − A in percentage points (Agresti and Min, 2005).",
    )
    metrics.metric("Correct only with B", f"{len(comparison.gained):,}", border=True, help="Misclassified by A, correct with B.")
    metrics.metric("Correct only with A", f"{len(comparison.lost):,}", border=True, help="Correct with A, misclassified by B.")
    st.caption(
        "p: the probability of a difference at least as large if both models were equally good (McNemar's exact test). A difference is significant "
        "if p is below 0.05. The test compares these two models. To compare their settings, train each with several seeds and compare the runs "
        "on the Runs page."
    )


def _show_classes(comparison: "Comparison") -> None:
    changes, classes = comparison.per_class, comparison.first.classes
    has_images = changes.count > 0
    st.header("Classes")
    show_chart(
        changes_chart(changes, classes),
        alt="Change of the accuracy of each class from A to B with 95% intervals",
        with_table=False,
    )
    more = f"The {MOST} classes that changed most; the table has all. " if (changes.count > 0).sum() > MOST else ""
    st.caption(
        f"{more}Bars: 95% confidence interval of each class. Significant: p below 0.05 after Holm's correction (1979) for multiple tests."
    )
    with st.expander("All classes"):
        st.dataframe(
            {
                "Class": classes,
                "Change": 100 * changes.difference,
                "Lower bound": np.where(has_images, 100 * changes.low, np.nan),
                "Upper bound": np.where(has_images, 100 * changes.high, np.nan),
                "B only": changes.gained,
                "A only": changes.lost,
                "Images": changes.count,
                "p (adjusted)": np.where(has_images, changes.p, np.nan),
            },
            hide_index=True,
            height="content" if len(classes) <= 20 else TALLEST,
            column_config={
                name: st.column_config.NumberColumn(f"{name} (points)", format="%+.1f")
                for name in ("Change", "Lower bound", "Upper bound")
            }
            | {"p (adjusted)": st.column_config.NumberColumn(format="%.3f")},
            placeholder="–",
            alt="Changes of every class",
        )


@st.fragment
def _show_images(subject: EvaluationSubject, other: EvaluationSubject, comparison: "Comparison") -> None:
    st.header("Images that changed")
    lists = dict(zip(SIDES, (comparison.gained, comparison.lost, comparison.both_wrong_differently), strict=True))
    evaluation = comparison.second
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side = st.selectbox(
            "List", list(lists), format_func=lambda name: f"{name} ({len(lists[name]):,})", key="compare-list", width=260
        )
        true_class = choose_class("True class", evaluation.classes, key=f"compare-class-{subject.run.id}", width=220)
    indices = lists[side]
    if true_class is not None:
        indices = indices[evaluation.labels[indices] == true_class]
    st.caption(
        f"{SIDES[side]} {counted(len(indices), 'image')}. Below each: the predictions of A and B with their probabilities, and the true class if both "
        "are wrong."
    )
    key = f"compare-{subject.name}-{other.name}-{side}-{true_class}"
    show_image_grid(subject, comparison.first, indices, key, lambda index: _describe_image(comparison, index))


def _describe_image(comparison: "Comparison", index: int) -> str:
    """Return the predictions of both models, such as "A: cat (60%) ✗ · B: dog (81%) ✓"."""
    predictions = []
    for letter, evaluation in (("A", comparison.first), ("B", comparison.second)):
        name, confidence = evaluation.classes[evaluation.predicted[index]], evaluation.scores.confidence[index]
        predictions.append(f"{letter}: {name} ({confidence:.0%}) {'✓' if evaluation.is_correct[index] else '✗'}")
    is_any_correct = comparison.first.is_correct[index] or comparison.second.is_correct[index]
    truth = "" if is_any_correct else f", true: {comparison.first.classes[comparison.first.labels[index]]}"
    return " · ".join(predictions) + truth
