"""A cache of results computed from an evaluation, shared by all sessions."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from cnn_core.events import Progress
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.progress import watch

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

MOST = 24  # results per evaluation: with 1,000 classes each takes 4 MB
Result = TypeVar("Result")


def keep(
    subject: EvaluationSubject, evaluation: "Evaluation", name: str, begin: Callable[[], Generator[Progress, None, Result]]
) -> Result:
    """Return the cached result `name`, or run the steps from `begin` with progress and cancellation."""
    results: dict[str, Result] = _results(subject.folder, evaluation.key)
    if name in results:
        return results[name]
    result = results[name] = watch(begin(), f"{name}-{subject.name}")
    for oldest in list(results)[:-MOST]:
        results.pop(oldest, None)
    return result


def is_kept(subject: EvaluationSubject, evaluation: "Evaluation", name: str) -> bool:
    """Whether the result `name` is cached."""
    return name in _results(subject.folder, evaluation.key)


@st.cache_resource(max_entries=6, show_spinner=False)
def _results(folder: Path, key: str) -> dict[str, Any]:
    return {}
