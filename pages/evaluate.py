"""The Evaluate page: views of a run's model on one split. Shows one view at a time; those needed less often are behind More."""

from collections.abc import Callable

import streamlit as st

from pages.shared.address import choose_view_with_more
from pages.shared.evaluation_subject import EvaluationSubject, choose_subject
from pages.views.evaluate.calibration import show_calibration
from pages.views.evaluate.comparison import show_comparison
from pages.views.evaluate.confusion_matrix import show_confusion_matrix
from pages.views.evaluate.embedding.view import show_embedding
from pages.views.evaluate.explain.view import show_explain
from pages.views.evaluate.export import show_export
from pages.views.evaluate.metrics import show_metrics
from pages.views.evaluate.mistakes import show_mistakes
from pages.views.evaluate.robustness import show_robustness
from pages.views.evaluate.training_dynamics import show_training_dynamics

VIEWS: dict[str, Callable[[EvaluationSubject], None]] = {
    "Metrics": show_metrics,
    "Confusion matrix": show_confusion_matrix,
    "Mistakes": show_mistakes,
    "Calibration": show_calibration,
}
MORE_VIEWS: dict[str, Callable[[EvaluationSubject], None]] = {
    "Explain": show_explain,
    "Robustness": show_robustness,
    "Embedding": show_embedding,
    "Training dynamics": show_training_dynamics,
    "Compare": show_comparison,
    "Export": show_export,
}
FORMER_NAMES = {  # of views in links from earlier versions
    "Figures": "Metrics",
    "Trust": "Calibration",
    "Inside": "Explain",
    "Map": "Embedding",
    "Learning": "Training dynamics",
    "Take along": "Export",
}

st.title("Evaluate")
if (former := st.query_params.get("view")) in FORMER_NAMES:
    st.query_params["view"] = FORMER_NAMES[former]
subject = choose_subject()
if subject:
    (VIEWS | MORE_VIEWS)[choose_view_with_more("evaluate", list(VIEWS), list(MORE_VIEWS))](subject)
