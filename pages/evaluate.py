"""What a network gets right and wrong, how sure it is, and why: one view of a run's network and images at a time."""

from collections.abc import Callable

import streamlit as st

from pages.shared.address import choose_view
from pages.shared.evaluation_subject import EvaluationSubject, choose_subject
from pages.views.evaluate.calibration import show_calibration
from pages.views.evaluate.comparison import show_compare
from pages.views.evaluate.confusion_matrix import show_matrix
from pages.views.evaluate.embedding.view import show_map
from pages.views.evaluate.explain.view import show_explain
from pages.views.evaluate.export import show_export
from pages.views.evaluate.metrics import show_metrics
from pages.views.evaluate.mistakes import show_mistakes
from pages.views.evaluate.robustness import show_robustness
from pages.views.evaluate.training_dynamics import show_training_dynamics

VIEWS: dict[str, Callable[[EvaluationSubject], None]] = {
    "Figures": show_metrics,
    "Confusion matrix": show_matrix,
    "Mistakes": show_mistakes,
    "Trust": show_calibration,
    "Robustness": show_robustness,
    "Inside": show_explain,
    "Map": show_map,
    "Learning": show_training_dynamics,
    "Compare": show_compare,
    "Take along": show_export,
}

st.title("Evaluate")
subject = choose_subject()
if subject:
    VIEWS[choose_view("evaluate", list(VIEWS))](subject)
