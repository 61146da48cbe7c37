"""The Compare view: two networks on the same images, which is better, in which classes, and which images changed sides."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.errors import RunError
from cnn_core.home import kept_epochs
from cnn_core.runs.run import Run
from pages.charts.comparison import MOST, changes_chart
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.model_comparison import Comparison

SIDES = {
    "Right with B only": "A had them wrong, B has them right.",
    "Right with A only": "A had them right, B has them wrong.",
    "Both wrong, otherwise": "Both are wrong, each with another class.",
}
TALLEST = 720  # pixels of the table of classes


def show_comparison(subject: EvaluationSubject) -> None:
    """The view."""
    other = _choose_other(subject)
    if other is None:
        return
    st.caption(
        f"A: {plain(_named(subject))}, chosen above. B: {plain(_named(other))}. On the same {SPLITS[subject.split]} images."
    )
    _tell_changed_data(subject, other)
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
    """Network B; without any that saw the same images, what to do."""
    choices = _others(subject)
    if not choices:
        st.info(
            f"There is no other network to compare on these {SPLITS[subject.split]} images: that takes another trained run of the same data"
            f"{'' if subject.split == 'test' else ', with the same validation share and seed'}. Train one with other settings.",
            icon=":material/compare_arrows:",
        )
        st.page_link(page_file("configure"), label="Choose settings", icon=":material/tune:")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by_id = {run.id: run for run in choices}
        asked = st.query_params.get("with")
        chosen = st.selectbox(
            "Compare with run",
            list(by_id),
            index=list(by_id).index(asked) if asked in by_id else 0,
            format_func=lambda run: by_id[run].name or run,
            key=f"compare-run-{subject.name}",
            width=300,
            help="Trained runs of the same data, so that both networks can be asked about the very same images.",
        )
        st.query_params["with"] = chosen
        epoch = st.selectbox(
            "Its network",
            [number or 0 for number in _networks(by_id[chosen], subject)],
            format_func=lambda number: f"after epoch {number}" if number else "best",
            key=f"compare-epoch-{chosen}-{subject.name}",
            width=180,
        )
    return EvaluationSubject(by_id[chosen], epoch or None, subject.split)


def _others(subject: EvaluationSubject) -> list[Run]:
    """Runs with a network to compare on the same images, those of other runs first."""
    store = get_store()
    runs = [run for run in store.runs() if store.has_model(run.id) and _has_same_images(subject, run) and _networks(run, subject)]
    return sorted(runs, key=lambda run: run.id == subject.run.id)


def _has_same_images(subject: EvaluationSubject, run: Run) -> bool:
    mine, theirs = subject.run.config, run.config
    if mine.data != theirs.data:
        return False
    is_split = subject.split != "test" and not subject.source.info.val_count
    return not is_split or (mine.validation_share, mine.seed) == (theirs.validation_share, theirs.seed)


def _networks(run: Run, subject: EvaluationSubject) -> list[int | None]:
    """The best one and kept epochs, without the subject's own."""
    known = [None, *reversed(kept_epochs(get_store().home.run_folder(run.id)))]
    if run.id != subject.run.id:
        return known
    best = run.summary.get("best_epoch")  # the best network is that of an epoch
    return [epoch for epoch in known if (epoch or best) != (subject.epoch or best)]


def _named(subject: EvaluationSubject) -> str:
    return f"{subject.run.name or subject.run.id}, {'best network' if subject.epoch is None else f'after epoch {subject.epoch}'}"


def _tell_changed_data(subject: EvaluationSubject, other: EvaluationSubject) -> None:
    from cnn_core.models.saving import read_card

    if read_card(subject.folder).fingerprint != read_card(other.folder).fingerprint:
        st.warning(
            "The data was changed between the training of A and of B: one of them may have learned from images that are shown here, which would "
            "flatter it. Train both on the data as it is now for a fair comparison.",
            icon=":material/warning:",
        )


def _show_verdict(subject: EvaluationSubject, comparison: "Comparison") -> None:
    from cnn_core.metrics.intervals import EVIDENCE
    from cnn_core.metrics.model_comparison import verdict

    is_evident = comparison.p < EVIDENCE
    (st.success if is_evident else st.info)(
        verdict(comparison), icon=":material/balance:" if is_evident else ":material/drag_handle:"
    )
    low, high = comparison.interval
    figures = st.grid(4, min_column_width=150)
    figures.metric(f"A: {SPLITS[subject.split]} accuracy", f"{comparison.first.accuracy:.2%}", border=True)
    figures.metric(
        f"B: {SPLITS[subject.split]} accuracy",
        f"{comparison.second.accuracy:.2%}",
        delta=f"95 %: {100 * low:+.1f} to {100 * high:+.1f}",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="Below it, by how many percentage points B may differ from A: the interval of Agresti and Min (2005) for two networks on the same images.",
    )
    figures.metric("Right with B only", f"{len(comparison.gained):,}", border=True, help="Images that got better from A to B.")
    figures.metric("Right with A only", f"{len(comparison.lost):,}", border=True, help="Images that got worse from A to B.")
    st.caption(
        "p: how probable it is that equally good networks differ so much on these images, by McNemar's exact test; below 0.05 is called "
        "evidence. It speaks of these two networks. Whether the settings of one are better takes several seeds of both: compare them on the Runs page."
    )


def _show_classes(comparison: "Comparison") -> None:
    changes, classes = comparison.per_class, comparison.first.classes
    st.subheader("Classes")
    st.plotly_chart(
        changes_chart(changes, classes),
        config={"displayModeBar": False},
        alt="Change of each class's accuracy from A to B with 95 % intervals",
    )
    more = f"The {MOST} classes that changed most; the table has all. " if (changes.count > 0).sum() > MOST else ""
    st.caption(
        f"{more}Bars: 95 % intervals of each class alone. Evidence: p below 0.05 after Holm's correction (1979), because among many classes some "
        "seem changed by chance alone."
    )
    with st.expander("Table of the classes"):
        st.dataframe(
            {
                "Class": classes,
                "Change": 100 * changes.difference,
                "From": 100 * changes.low,
                "To": 100 * changes.high,
                "B only": changes.gained,
                "A only": changes.lost,
                "Images": changes.count,
                "p (adjusted)": changes.p,
            },
            hide_index=True,
            height="content" if len(classes) <= 20 else TALLEST,
            column_config={
                name: st.column_config.NumberColumn(f"{name} (points)", format="%+.1f") for name in ("Change", "From", "To")
            }
            | {"p (adjusted)": st.column_config.NumberColumn(format="%.3f")},
            alt="Changes of every class",
        )


@st.fragment
def _show_images(subject: EvaluationSubject, other: EvaluationSubject, comparison: "Comparison") -> None:
    st.subheader("Images that changed")
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
        f"{SIDES[side]} {len(indices):,} {'image' if len(indices) == 1 else 'images'}. Below each: what A and B say and how sure they are, and the true class where neither is right."
    )
    key = f"compare-{subject.name}-{other.name}-{side}-{true_class}"
    show_image_grid(subject, comparison.first, indices, key, lambda index: _in_short(comparison, index))


def _in_short(comparison: "Comparison", index: int) -> str:
    """What both say of an image, such as "A: cat (60%) ✗ · B: dog (81%) ✓"."""
    said = []
    for letter, evaluation in (("A", comparison.first), ("B", comparison.second)):
        name, share = evaluation.classes[evaluation.predicted[index]], evaluation.scores.confidence[index]
        said.append(f"{letter}: {name} ({share:.0%}) {'✓' if evaluation.is_correct[index] else '✗'}")
    is_known = comparison.first.is_correct[index] or comparison.second.is_correct[index]
    truth = "" if is_known else f", is {comparison.first.classes[comparison.first.labels[index]]}"
    return " · ".join(said) + truth
