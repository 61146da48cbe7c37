"""What takes long to compute of an evaluation, kept for all sessions until other evaluations take its place."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from cnn_core.events import Progress
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.progress import watch

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

MOST = 24  # results of one evaluation: those of 1,000 classes take 4 MB each
Result = TypeVar("Result")


def keep(
    subject: EvaluationSubject, evaluation: "Evaluation", name: str, begin: Callable[[], Generator[Progress, None, Result]]
) -> Result:
    """What the steps that `begin` gives come to; computed with progress and a way out where it is not kept under `name` yet."""
    shelf = _shelf(subject.folder, evaluation.key)
    if name in shelf:
        return shelf[name]
    found = shelf[name] = watch(begin(), f"{name}-{subject.name}")
    for old in list(shelf)[:-MOST]:
        shelf.pop(old, None)
    return found


def is_kept(subject: EvaluationSubject, evaluation: "Evaluation", name: str) -> bool:
    return name in _shelf(subject.folder, evaluation.key)


@st.cache_resource(max_entries=6, show_spinner=False)
def _shelf(folder: Path, key: str) -> dict[str, Any]:
    return {}
