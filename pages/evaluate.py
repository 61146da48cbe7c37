"""What a network gets right and wrong, how sure it is, and why: one view of a run's network and images at a time."""

from collections.abc import Callable

import streamlit as st

from pages.ui.evaluation.compare import show_compare
from pages.ui.evaluation.embedding_map import show_map
from pages.ui.evaluation.figures import show_figures
from pages.ui.evaluation.history import show_learning
from pages.ui.evaluation.inside import show_inside
from pages.ui.evaluation.matrix import show_matrix
from pages.ui.evaluation.mistakes import show_mistakes
from pages.ui.evaluation.robustness import show_robustness
from pages.ui.evaluation.subject import Subject, choose_subject
from pages.ui.evaluation.take_along import show_take_along
from pages.ui.evaluation.trust import show_trust
from pages.ui.views import choose_view

VIEWS: dict[str, Callable[[Subject], None]] = {
    "Figures": show_figures,
    "Confusion matrix": show_matrix,
    "Mistakes": show_mistakes,
    "Trust": show_trust,
    "Robustness": show_robustness,
    "Inside": show_inside,
    "Map": show_map,
    "Learning": show_learning,
    "Compare": show_compare,
    "Take along": show_take_along,
}

st.title("Evaluate")
subject = choose_subject()
if subject:
    VIEWS[choose_view("evaluate", list(VIEWS))](subject)
