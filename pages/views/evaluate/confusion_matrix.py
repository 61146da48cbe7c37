"""The confusion matrix and its most confused pairs; the images behind any cell or pair are one press away."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.components.matrix import Shown, Table, show_table
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.confusion import ConfusedPairs
    from cnn_core.metrics.evaluation import Evaluation

SINGLY = 30  # classes that have a row of their own; of more, the most confused ones
AT_FIRST, LISTED = 15, 200
BESIDE = 12  # rows up to which the pairs stand beside the matrix
AS_THEY_ARE, BY_CONFUSION = "data set", "confusion"
Group = tuple[int, ...]  # the classes of one row or column
Cell = tuple[Group, Group]  # true, predicted


def show_confusion_matrix(subject: EvaluationSubject) -> None:
    """The view."""
    _show(subject, subject.evaluation())


@st.fragment
def _show(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    state = st.session_state.setdefault(f"matrix-{subject.name}", {"cell": None, "turn": 0, "list": 0, "rows": []})
    st.subheader("Confusion matrix")
    st.caption(
        "A row is a true class, a column what the network said. Blue is right, orange is a mix-up: the stronger, the larger the share of "
        "the true class. Press a cell to see its images; with the keyboard, the arrow keys go from cell to cell."
    )
    chosen, measure = _choose(subject, evaluation)
    if not len(chosen):
        st.info("Choose at least one class to see its row.", icon=":material/checklist:")
        return
    wide, beside = st.columns([2, 1]) if len(chosen) <= BESIDE else (st.container(), st.container())
    with beside:  # the first: a row that was chosen in it is marked in the matrix
        _show_pairs(subject, evaluation, state)
    with wide:
        _show_cells(subject, evaluation, chosen, measure, state)
    if state["cell"]:
        _show_images(subject, evaluation, state)


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> tuple[np.ndarray, str]:
    """The classes that have rows of their own, (k,) int64 in the rows' order, and what is written into the cells."""
    from cnn_core.metrics.confusion import order_by_confusion

    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control("Cells show", ["counts", "shares"], default="counts", required=True, key="matrix-measure")
        order = st.segmented_control(
            "Order of the classes",
            [AS_THEY_ARE, BY_CONFUSION],
            default=AS_THEY_ARE,
            required=True,
            key="matrix-order",
            help="As in the data set, or those that are mixed up most first and next to each other.",
        )
    chosen = _choose_classes(subject, evaluation)
    if order == BY_CONFUSION:
        chosen = chosen[order_by_confusion(evaluation.confusion[np.ix_(chosen, chosen)])]
    return chosen, measure


def _choose_classes(subject: EvaluationSubject, evaluation: "Evaluation") -> np.ndarray:
    """Those classes in the data set's order: all, where there are few."""
    count = len(evaluation.classes)
    if count <= SINGLY:
        return np.arange(count)
    _, confused = _confusions(subject.folder, evaluation.key, evaluation)
    labels = st.multiselect(
        "Classes with a row of their own",
        list(range(count)),
        default=confused,
        format_func=evaluation.classes.__getitem__,
        max_selections=SINGLY,
        key=f"matrix-classes-{subject.name}",
        help=f"Up to {SINGLY} of {count:,} classes, at first those that are mixed up most. All others share the last row and column.",
    )
    return np.array(sorted(labels), np.int64)


@st.cache_resource(max_entries=6, show_spinner=False)
def _confusions(folder: Path, key: str, _evaluation: "Evaluation") -> "tuple[ConfusedPairs, list[int]]":
    """The most confused pairs and classes of an evaluation."""
    from cnn_core.metrics.confusion import confused_pairs, most_confused_classes

    confusion = _evaluation.confusion
    return confused_pairs(confusion, LISTED), most_confused_classes(confusion, AT_FIRST).tolist()


def _show_cells(subject: EvaluationSubject, evaluation: "Evaluation", chosen: np.ndarray, measure: str, state: dict) -> None:
    """The matrix of the `chosen` classes, and of all others together where there are any."""
    from cnn_core.metrics.confusion import merge_classes

    others = tuple(np.setdiff1d(np.arange(len(evaluation.classes)), chosen).tolist())
    groups: list[Group] = [(int(label),) for label in chosen] + ([others] if others else [])
    names = [evaluation.classes[label] for label in chosen] + (["all others"] if others else [])
    shown = Shown(state["turn"])
    if state["cell"]:
        place = tuple(groups.index(side) if side in groups else None for side in state["cell"])
        in_table = None if None in place else place
        shown = Shown(state["turn"], in_table, _heading(evaluation, state["cell"]), f"matrix-images-{state['turn']}")
    show_table(
        f"matrix-table-{subject.name}",
        Table(names, merge_classes(evaluation.confusion, chosen), [len(group) == 1 for group in groups], measure),
        shown,
        lambda row, column: _turn_to(state, (groups[row], groups[column])),
    )
    if not evaluation.per_class.support.all():
        st.caption(f"A class without {SPLITS[subject.split]} images has a row of zeros.")


def _show_pairs(subject: EvaluationSubject, evaluation: "Evaluation", state: dict) -> None:
    """The list of the most confused pairs; choosing a row shows its images."""
    pairs, _ = _confusions(subject.folder, evaluation.key, evaluation)
    if not len(pairs.count):
        st.success("No two classes were mixed up: every image was classified right.", icon=":material/check_circle:")
        return
    st.markdown(
        "**Most confused pairs**", help="Of the whole matrix, those with most images first. Choose a row to see its images."
    )
    event = st.dataframe(
        {
            "True class": [evaluation.classes[label] for label in pairs.true],
            "Called": [evaluation.classes[label] for label in pairs.predicted],
            "Images": pairs.count,
            "Share": pairs.fraction,
        },
        hide_index=True,
        column_config={
            "Share": st.column_config.NumberColumn("Share", format="percent", help="Of the images of the true class.")
        },
        height=380,
        on_select="rerun",
        selection_mode="single-row",
        key=f"matrix-pairs-{subject.name}-{state['list']}",
        alt="The pairs of classes that were mixed up most, with the number of images and their share of the true class",
    )
    rows = [row for row in event.selection.rows if row < len(pairs.count)]
    if rows != state["rows"]:
        _turn_to(state, ((int(pairs.true[rows[0]]),), (int(pairs.predicted[rows[0]]),)) if rows else None, rows)


def _show_images(subject: EvaluationSubject, evaluation: "Evaluation", state: dict) -> None:
    """The images of the chosen cell, with the way back."""
    from cnn_core.metrics.confusion import find_cell_images

    true, predicted = state["cell"]
    with st.container(key=f"matrix-images-{state['turn']}"):
        st.subheader(plain(_heading(evaluation, state["cell"])))
        st.button("Back to the matrix", icon=":material/arrow_upward:", on_click=_turn_to, args=(state, None), key="matrix-back")
        indices = find_cell_images(evaluation, np.array(true), np.array(predicted))
        if len(indices) > 1:
            st.caption("Those of which the network was surest come first.")
        show_image_grid(subject, evaluation, indices, f"matrix-{subject.name}-{hash(state['cell']):x}")


def _turn_to(state: dict, cell: Cell | None, rows: list[int] | None = None) -> None:
    """Show the images of `cell` from now on; None: the matrix again. `rows`: those chosen in the list, if that is where it was chosen."""
    state |= {"cell": cell, "turn": state["turn"] + 1, "rows": rows or []}
    if rows is None:
        state["list"] += 1  # another list, in which no row is chosen


def _heading(evaluation: "Evaluation", cell: Cell) -> str:
    """ "12 images of cat that were called dog"."""
    true, predicted = cell
    count = int(evaluation.confusion[np.ix_(true, predicted)].sum())
    images = "1 image" if count == 1 else f"{count:,} images"
    if cell == (true, true) and len(true) == 1:
        return f"{images} of {evaluation.classes[true[0]]}, classified right"
    truth = evaluation.classes[true[0]] if len(true) == 1 else "all other classes"
    said = evaluation.classes[predicted[0]] if len(predicted) == 1 else "one of the other classes"
    return f"{images} of {truth} that {'was' if count == 1 else 'were'} called {said}"
