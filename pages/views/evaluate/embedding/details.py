"""What is shown beside and below the map of images: the pinned image with its nearest ones, those that were chosen, and all as a table."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.components.map import Points
from pages.charts.images import image_html, labelled_grid
from pages.charts.predictions import probability_bars
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

RANKED = 3  # classes whose probabilities are drawn
NEAREST = 6
NONE = {"selection": {"rows": []}}


def show_pinned(
    subject: EvaluationSubject, evaluation: "Evaluation", numbers: np.ndarray, features: np.ndarray, state: dict
) -> None:
    """The pinned image, what the network says of it, and which of the images `numbers` (n,) its `features` (n, D) are nearest to."""
    index = state["pinned"]
    if index is None:
        st.info(
            "Press a point to keep its image here, with those that the network sees most like it.", icon=":material/push_pin:"
        )
        return
    part, truth = PARTS[subject.part].capitalize(), evaluation.classes[evaluation.labels[index]]
    shares = evaluation.probabilities(np.array([index]))[0]
    ranked = [(evaluation.classes[label], float(shares[label])) for label in np.argsort(-shares, kind="stable")]
    st.html(image_html(subject.images()[index], f"{part} image {index}, class {truth}", width=200))
    verdict = ":green[✓ right]" if evaluation.is_right[index] else ":red[✗ wrong]"
    st.markdown(
        f"{part} image {index} is **{plain(truth)}**. The network says {plain(ranked[0][0])}, {ranked[0][1]:.1%}: {verdict}"
    )
    st.plotly_chart(
        probability_bars(ranked, RANKED), config={"displayModeBar": False}, alt="The most probable classes of this image"
    )
    if st.button("See inside: where it looked", icon=":material/visibility:", key="map-inside"):
        st.query_params.update({"view": "Inside", "image": str(index)})
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
        "**Nearest on all axes**",
        help="Of the images on the map, those whose features point most nearly the same way. The number is the cosine between them: 1 is the same direction.",
    )
    names = [
        f"{evaluation.classes[evaluation.labels[index]]} · {cosine:.2f}"
        for index, cosine in zip(numbers[rows], cosines, strict=True)
    ]
    st.html(labelled_grid(subject.images()[numbers[rows]], names))


def show_chosen(subject: EvaluationSubject, evaluation: "Evaluation", state: dict) -> None:
    """The chosen images, mistakes first, with the way back."""
    chosen = np.array(state["chosen"])
    with st.container(key=f"map-chosen-{state['turn']}"):
        count = len(chosen)
        wrong = int((~evaluation.is_right[chosen]).sum())
        st.subheader(f"{count:,} chosen {'image' if count == 1 else 'images'}")
        st.caption(f"{wrong:,} of them {'is a mistake' if wrong == 1 else 'are mistakes'}. {_common(evaluation, chosen)}")
        st.button("Back to the map", icon=":material/arrow_upward:", key="map-back", on_click=_forget, args=(state,))
    order = chosen[np.argsort(evaluation.is_right[chosen], kind="stable")]
    show_image_grid(subject, evaluation, order, f"map-{subject.name}-{state['turn']}")


def _forget(state: dict) -> None:
    state |= {"chosen": [], "turn": state["turn"] + 1}


def _common(evaluation: "Evaluation", chosen: np.ndarray) -> str:
    """Which classes most of them are of."""
    labels, counts = np.unique(evaluation.labels[chosen], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:3]
    return "True classes: " + ", ".join(f"{plain(evaluation.classes[labels[at]])} ({counts[at]:,})" for at in most) + "."


def show_table(points: Points) -> None:
    """The points as rows, when asked for: for whoever does not see the map, or has no mouse. A chosen row is pinned (see `take_row`)."""
    if not st.toggle("The points as a table", key="map-table", help="Choose a row to keep its image above, beside the map."):
        return
    st.dataframe(
        {
            "Image": points.numbers,
            "True class": [points.names[label] for label in points.truth],
            "Called": [points.names[label] for label in points.predicted],
            "Probability": points.share,
            "Across": points.places[:, 0],
            "Upwards": points.places[:, 1],
        },
        hide_index=True,
        column_config={
            "Probability": st.column_config.NumberColumn("Probability", format="percent", help="Of the class that it was called.")
        },
        height=380,
        on_select="rerun",
        selection_mode="single-row",
        key=_rows_key(points),
        alt="The images on the map: true class, predicted class, its probability, and place",
    )


def take_row(points: Points, state: dict) -> None:
    """Pin the image of the row that was chosen in the table since this was last asked. To be asked before the map is drawn."""
    rows = [row for row in st.session_state.get(_rows_key(points), NONE)["selection"]["rows"] if row < len(points.numbers)]
    if rows and rows != state.get("rows"):
        state["pinned"] = int(points.numbers[rows[0]])
    state["rows"] = rows


def _rows_key(points: Points) -> str:
    return f"map-rows-{points.name}"
