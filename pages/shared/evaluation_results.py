"""Results that are computed from an evaluation: once for all sessions, until other weights or other data give another evaluation."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

from cnn_core.events import Progress
from pages.shared import cache
from pages.shared.evaluation_subject import EvaluationSubject

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

Result = TypeVar("Result")


def compute_once(
    subject: EvaluationSubject, evaluation: "Evaluation", name: str, begin: Callable[[], Generator[Progress, None, Result]]
) -> Result:
    """Return the result called `name`; where it is not stored, compute it with a progress bar that can be cancelled. Raises StudioError."""
    work = f"{name}-{subject.name}"
    return cache.compute_once(cache.EVALUATION_RESULTS, work, (subject.folder, evaluation.key), begin, work)


def is_computed(subject: EvaluationSubject, evaluation: "Evaluation", name: str) -> bool:
    """Whether the result called `name` is stored."""
    return cache.is_stored(cache.EVALUATION_RESULTS, f"{name}-{subject.name}", (subject.folder, evaluation.key))
