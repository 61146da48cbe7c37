"""Details of the embedding: the pinned image with its nearest images, the selection, and all points as a table."""

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from cnn_core.text import counted
from pages.charts.components.map import Points
from pages.charts.images import image_html, labelled_grid
from pages.charts.predictions import probability_bars
from pages.shared.chart import show_chart
from pages.shared.evaluation_subject import CORRECT, SPLITS, WRONG, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import SELECT_BY_KEYBOARD, plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

RANKED = 3  # classes whose probabilities are drawn
NEAREST = 6
PRESS_A_POINT = "Press a point to pin its image here, with the most similar images."
PINNED = "{split} image {index}, true class **{truth}**. Prediction: {predicted}, {probability:.1%}: {verdict}"
NEAREST_IMAGES = "**Nearest images**"
SELECTION = "Selection: {images}"
NO_SELECTION: dict[str, Any] = {"selection": {"rows": []}}


def show_pinned(
    subject: EvaluationSubject, evaluation: "Evaluation", numbers: np.ndarray, features: np.ndarray, state: dict[str, Any]
) -> None:
    """Show the pinned image, its prediction, and the nearest of the images `numbers` (n,) with `features` (n, D)."""
    index = state["pinned"]
    if index is None:
        st.info(PRESS_A_POINT, icon=":material/push_pin:")
        return
    split, truth = SPLITS[subject.split].capitalize(), evaluation.classes[evaluation.labels[index]]
    probabilities = evaluation.probabilities(np.array([index]))[0]
    ranked = [(evaluation.classes[label], float(probabilities[label])) for label in np.argsort(-probabilities, kind="stable")]
    st.html(image_html(subject.images()[index], f"{split} image {index}, class {truth}", width=200))
    name, probability = ranked[0]
    verdict = CORRECT if evaluation.is_correct[index] else WRONG
    st.markdown(
        PINNED.format(
            split=split, index=index, truth=plain(truth), predicted=plain(name), probability=probability, verdict=verdict
        )
    )
    show_chart(probability_bars(ranked[:RANKED]), alt="The most probable classes of this image")
    if st.button("Explain", icon=":material/visibility:", key="map-explain"):
        st.query_params.update({"view": "Explain", "image": str(index)})
        st.rerun()
    if index in numbers:
        _show_nearest(subject, evaluation, numbers, features, int(np.searchsorted(numbers, index)))


def _show_nearest(
    subject: EvaluationSubject, evaluation: "Evaluation", numbers: np.ndarray, features: np.ndarray, row: int
) -> None:
    from cnn_core.explain.embedding import nearest

    rows, cosines = nearest(features, row, NEAREST)
    if not len(rows):
        return
    st.markdown(
        NEAREST_IMAGES,
        help="Images on the map with the highest cosine similarity of all features; 1 is the same direction.",
    )
    names = [
        f"{evaluation.classes[evaluation.labels[index]]} · {cosine:.2f}"
        for index, cosine in zip(numbers[rows], cosines, strict=True)
    ]
    st.html(labelled_grid(subject.images()[numbers[rows]], names))


def show_selection(subject: EvaluationSubject, evaluation: "Evaluation", state: dict[str, Any]) -> None:
    """Show the selected images, mistakes first, and a button back to the map."""
    chosen = np.array(state["chosen"])
    with st.container(key=f"map-chosen-{state['turn']}"):
        count = len(chosen)
        wrong = int((~evaluation.is_correct[chosen]).sum())
        st.subheader(SELECTION.format(images=counted(count, "image")))
        st.caption(f"{counted(wrong, 'mistake')}. {_describe_classes(evaluation, chosen)}")
        st.button("Back to the map", icon=":material/arrow_upward:", key="map-back", on_click=_clear_selection, args=(state,))
    order = chosen[np.argsort(evaluation.is_correct[chosen], kind="stable")]
    show_image_grid(subject, evaluation, order, f"map-{subject.name}-{state['turn']}")


def _clear_selection(state: dict[str, Any]) -> None:
    state |= {"chosen": [], "turn": state["turn"] + 1}


def _describe_classes(evaluation: "Evaluation", chosen: np.ndarray) -> str:
    """Return a sentence with the three most frequent true classes."""
    labels, counts = np.unique(evaluation.labels[chosen], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:3]
    return "True classes: " + ", ".join(f"{plain(evaluation.classes[labels[at]])} ({counts[at]:,})" for at in most) + "."


def show_table(points: Points) -> None:
    """Show the points as a table on request, for people who cannot use the map. A selected row is pinned (see `pin_selected_row`)."""
    if not st.toggle("Show table", key="map-table", help=f"Select a row to pin its image beside the map. {SELECT_BY_KEYBOARD}"):
        return
    st.dataframe(
        {
            "Image": points.numbers,
            "True class": [points.classes[label] for label in points.labels],
            "Predicted": [points.classes[label] for label in points.predicted],
            "Probability": points.probabilities,
            "x": points.places[:, 0],
            "y": points.places[:, 1],
        },
        hide_index=True,
        column_config={
            "Probability": st.column_config.NumberColumn("Probability", format="percent", help="Of the predicted class.")
        },
        height=380,
        on_select="rerun",
        selection_mode="single-row",
        key=_rows_key(points),
        alt="The images on the map: true class, predicted class, its probability, and coordinates",
    )


def pin_selected_row(points: Points, state: dict[str, Any]) -> None:
    """Pin the image of a row that was just selected in the table. Call it before the map is drawn."""
    rows = [
        row for row in st.session_state.get(_rows_key(points), NO_SELECTION)["selection"]["rows"] if row < len(points.numbers)
    ]
    if rows and rows != state.get("rows"):
        state["pinned"] = int(points.numbers[rows[0]])
    state["rows"] = rows


def _rows_key(points: Points) -> str:
    return f"map-rows-{points.name}"
