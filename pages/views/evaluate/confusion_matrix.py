"""The confusion matrix and the most confused pairs, with the images of a chosen cell or pair."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from cnn_core.text import counted
from pages.charts.components.matrix import CellSelection, MatrixTable, show_matrix_table
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import SELECT_BY_KEYBOARD, plain
from pages.views.evaluate.summary import summarise_confusion

if TYPE_CHECKING:
    from cnn_core.metrics.confusion import ConfusedPairs
    from cnn_core.metrics.evaluation import Evaluation

SINGLE = 30  # classes with their own row; with more classes, the most confused ones have one
AT_FIRST, LISTED = 15, 200  # classes chosen by default; pairs in the table
FEW_PAIRS = 9  # that are all shown without scrolling
BESIDE = 6  # rows up to which the pairs are beside the matrix
HEADING, PAIRS = "Confusion matrix", "Most confused pairs"
CONFUSED_CELL = "{images} of {true} predicted as {predicted}"
CORRECT_CELL = "{images} of {true}, classified correctly"
OTHER_TRUE, OTHER_PREDICTED, OTHERS = "all other classes", "one of the other classes", "all others"
DATA_ORDER, BY_CONFUSION = "data set", "confusion"
Group = tuple[int, ...]  # the classes of one row or column
Cell = tuple[Group, Group]  # true, predicted


def show_confusion_matrix(subject: EvaluationSubject) -> None:
    """Show the view."""
    _show(subject, subject.evaluation())


@st.fragment
def _show(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    state = st.session_state.setdefault(f"matrix-{subject.name}", {"cell": None, "turn": 0, "list": 0, "rows": []})
    if sentence := summarise_confusion(evaluation):
        st.markdown(sentence)
    st.header(HEADING)
    st.caption(
        "Rows: true class. Columns: predicted class. Blue is correct, orange wrong. The stronger the colour, the larger the fraction of the true "
        "class. Press a cell to see its images; the arrow keys move between cells."
    )
    chosen, measure = _choose(subject, evaluation)
    if not len(chosen):
        st.info("Choose at least one class to see its row.", icon=":material/checklist:")
        return
    wide, beside = st.columns(2) if len(chosen) <= BESIDE else (st.container(), st.container())
    with beside:  # drawn first, because the matrix marks the row that is chosen here
        _show_pairs(subject, evaluation, state)
    with wide:
        _show_cells(subject, evaluation, chosen, measure, state)
    if state["cell"]:
        _show_images(subject, evaluation, state)


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> tuple[np.ndarray, str]:
    """Show the inputs. Return the classes with their own row, (k,) int64 in that order, and the content of the cells."""
    from cnn_core.metrics.confusion import order_by_confusion

    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control(
            "Cells show", ["counts", "fractions"], default="counts", required=True, key="matrix-measure"
        )
        order = st.segmented_control(
            "Class order",
            [DATA_ORDER, BY_CONFUSION],
            default=DATA_ORDER,
            required=True,
            key="matrix-order",
            help="The order of the data set, or confused classes next to each other.",
        )
    chosen = _choose_classes(subject, evaluation)
    if order == BY_CONFUSION:
        chosen = chosen[order_by_confusion(evaluation.confusion[np.ix_(chosen, chosen)])]
    return chosen, measure


def _choose_classes(subject: EvaluationSubject, evaluation: "Evaluation") -> np.ndarray:
    """Return the classes with their own row in the data set's order: all classes if there are at most SINGLE."""
    count = len(evaluation.classes)
    if count <= SINGLE:
        return np.arange(count)
    _, confused = _confusions(subject.folder, evaluation.key, evaluation)
    labels = st.multiselect(
        "Classes",
        list(range(count)),
        default=confused,
        format_func=evaluation.classes.__getitem__,
        max_selections=SINGLE,
        key=f"matrix-classes-{subject.name}",
        help=f"Up to {SINGLE} of the {count:,} classes have their own row; by default the most confused ones. All others are merged into the last row and column.",
    )
    return np.array(sorted(labels), np.int64)


@st.cache_resource(max_entries=6, show_spinner=False)
def _confusions(folder: Path, key: str, _evaluation: "Evaluation") -> "tuple[ConfusedPairs, list[int]]":
    """Return the most confused pairs and classes of an evaluation."""
    from cnn_core.metrics.confusion import confused_pairs, most_confused_classes

    confusion = _evaluation.confusion
    return confused_pairs(confusion, LISTED), most_confused_classes(confusion, AT_FIRST).tolist()


def _show_cells(
    subject: EvaluationSubject, evaluation: "Evaluation", chosen: np.ndarray, measure: str, state: dict[str, Any]
) -> None:
    """Show the matrix of the `chosen` classes, with all others merged."""
    from cnn_core.metrics.confusion import merge_classes

    others = tuple(np.setdiff1d(np.arange(len(evaluation.classes)), chosen).tolist())
    groups: list[Group] = [(int(label),) for label in chosen] + ([others] if others else [])
    names = [evaluation.classes[label] for label in chosen] + ([OTHERS] if others else [])
    selection = CellSelection(state["turn"])
    if state["cell"]:
        true, predicted = state["cell"]
        is_in_table = true in groups and predicted in groups
        in_table = (groups.index(true), groups.index(predicted)) if is_in_table else None
        selection = CellSelection(state["turn"], in_table, _heading(evaluation, state["cell"]), f"matrix-images-{state['turn']}")
    show_matrix_table(
        f"matrix-table-{subject.name}",
        MatrixTable(names, merge_classes(evaluation.confusion, chosen), [len(group) == 1 for group in groups], measure),
        selection,
        lambda row, column: _select(state, (groups[row], groups[column])),
    )
    if not evaluation.per_class.support.all():
        st.caption(f"A class without {SPLITS[subject.split]} images has a row of zeros.")


def _show_pairs(subject: EvaluationSubject, evaluation: "Evaluation", state: dict[str, Any]) -> None:
    """Show the most confused pairs; choosing a row shows its images."""
    pairs, _ = _confusions(subject.folder, evaluation.key, evaluation)
    if not len(pairs.count):
        st.success("No classes are confused: every image is classified correctly.", icon=":material/check_circle:")
        return
    st.subheader(PAIRS, help=f"Most images first. Choose a row to see its images. {SELECT_BY_KEYBOARD}")
    event = st.dataframe(
        {
            "True class": [evaluation.classes[label] for label in pairs.true],
            "Predicted": [evaluation.classes[label] for label in pairs.predicted],
            "Images": pairs.count,
            "Fraction": pairs.fraction,
        },
        hide_index=True,
        column_config={
            "Fraction": st.column_config.NumberColumn(
                "Fraction", format="percent", help="Fraction of the images of the true class."
            )
        },
        height=380 if len(pairs.count) > FEW_PAIRS else "content",
        on_select="rerun",
        selection_mode="single-row",
        key=f"matrix-pairs-{subject.name}-{state['list']}",
        alt="The most confused pairs of classes, with the number of images and their fraction of the true class",
    )
    rows = [row for row in event.selection.rows if row < len(pairs.count)]
    if rows != state["rows"]:
        _select(state, ((int(pairs.true[rows[0]]),), (int(pairs.predicted[rows[0]]),)) if rows else None, rows)


def _show_images(subject: EvaluationSubject, evaluation: "Evaluation", state: dict[str, Any]) -> None:
    """Show the images of the chosen cell and a button back to the matrix."""
    from cnn_core.metrics.confusion import find_cell_images

    true, predicted = state["cell"]
    with st.container(key=f"matrix-images-{state['turn']}"):
        st.subheader(plain(_heading(evaluation, state["cell"])))
        st.button("Back to the matrix", icon=":material/arrow_upward:", on_click=_select, args=(state, None), key="matrix-back")
        indices = find_cell_images(evaluation, np.array(true), np.array(predicted))
        if len(indices) > 1:
            st.caption("Highest confidence first.")
        show_image_grid(subject, evaluation, indices, f"matrix-{subject.name}-{hash(state['cell']):x}")


def _select(state: dict[str, Any], cell: Cell | None, rows: list[int] | None = None) -> None:
    """Select `cell`, or None for the matrix alone. `rows`: the rows selected in the table of pairs, if the cell was chosen there."""
    state |= {"cell": cell, "turn": state["turn"] + 1, "rows": rows or []}
    if rows is None:
        state["list"] += 1  # a new list without a chosen row


def _heading(evaluation: "Evaluation", cell: Cell) -> str:
    """Return a heading such as "12 images of cat predicted as dog"."""
    true, predicted = cell
    count = int(evaluation.confusion[np.ix_(true, predicted)].sum())
    images = counted(count, "image")
    if cell == (true, true) and len(true) == 1:
        return CORRECT_CELL.format(images=images, true=evaluation.classes[true[0]])
    truth = evaluation.classes[true[0]] if len(true) == 1 else OTHER_TRUE
    prediction = evaluation.classes[predicted[0]] if len(predicted) == 1 else OTHER_PREDICTED
    return CONFUSED_CELL.format(images=images, true=truth, predicted=prediction)
