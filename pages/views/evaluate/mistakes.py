"""The Mistakes view: images by loss, confidence or margin, probable label errors, and duplicates."""

import streamlit as st

from cnn_core.text import counted
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.views.evaluate.corrections import show_actions, show_data_change
from pages.views.evaluate.duplicates import show_split_duplicates
from pages.views.evaluate.label_errors import show_label_errors
from pages.views.evaluate.summary import summarise_mistakes

HELP = {
    "Highest loss": "The lowest probability of the true class first: mistakes and wrong labels.",
    "Most confidently wrong": "Only misclassified images, highest confidence first.",
    "Smallest margin": "The smallest gap between the two most probable classes first.",
    "Lowest loss": "The lowest loss first: typical images of their class.",
}
LABEL_ERRORS, DUPLICATES = "Probable label errors", "Duplicates"


def show_mistakes(subject: EvaluationSubject) -> None:
    """Show the view."""
    st.markdown(summarise_mistakes(subject.evaluation(), SPLITS[subject.split]))
    show_data_change(subject)
    names = [*HELP, LABEL_ERRORS, DUPLICATES]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        requested = st.query_params.get("list")
        chosen = st.selectbox(
            "List", names, index=names.index(requested) if requested in names else 0, key="mistakes-list", width=260
        )
        true_class = _choose_class(subject) if chosen != DUPLICATES else None
    if chosen == LABEL_ERRORS:
        show_label_errors(subject, true_class)
    elif chosen == DUPLICATES:
        show_split_duplicates(subject)
    else:
        _show_ordering(subject, chosen, true_class)


def _choose_class(subject: EvaluationSubject) -> int | None:
    return choose_class("True class", subject.source.info.classes, key=f"mistakes-class-{subject.run.id}", width=220)


def _show_ordering(subject: EvaluationSubject, name: str, true_class: int | None) -> None:
    from cnn_core.metrics.mistakes import ORDERINGS

    evaluation = subject.evaluation()
    indices = ORDERINGS[name.lower()](evaluation, evaluation.select(true_class=true_class))
    st.caption(
        f"{HELP[name]} {counted(len(indices), f'{SPLITS[subject.split]} image')}. Below each: the predicted class and its probability, then the "
        "true class if it differs."
    )
    key = f"mistakes-{subject.name}-{name}-{true_class}"
    show_actions(subject, show_image_grid(subject, evaluation, indices, key), f"{key}-picked")
