"""Which images to look at: the worst mistakes, the doubtful and the easy ones, labels that are probably wrong, pictures that are there twice."""

import streamlit as st

from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.views.evaluate.corrections import show_actions, show_data_change
from pages.views.evaluate.duplicates import show_split_duplicates
from pages.views.evaluate.label_errors import show_label_errors

HELP = {
    "Highest loss": "Where the true class was held least probable: mistakes, and labels that are wrong.",
    "Most confidently wrong": "Only images that were classified wrong, the surest mistakes first.",
    "Least sure": "The smallest gap between the two most probable classes first: where a little more would have turned the answer.",
    "Easiest": "The lowest loss first: what a typical image of a class looks like to the network.",
}
DOUBTS, TWINS = "Probable label errors", "Duplicates"


def show_mistakes(subject: EvaluationSubject) -> None:
    """The view."""
    show_data_change(subject)
    names = [*HELP, DOUBTS, TWINS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.query_params.get("list")
        chosen = st.selectbox("List", names, index=names.index(asked) if asked in names else 0, key="mistakes-list", width=260)
        true_class = _choose_class(subject) if chosen != TWINS else None
    if chosen == DOUBTS:
        show_label_errors(subject, true_class)
    elif chosen == TWINS:
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
        f"{HELP[name]} {len(indices):,} {SPLITS[subject.split]} images. Below each: what the network says and how sure it is, then the "
        "true class where that is another one."
    )
    key = f"mistakes-{subject.name}-{name}-{true_class}"
    show_actions(subject, show_image_grid(subject, evaluation, indices, key), f"{key}-picked")
