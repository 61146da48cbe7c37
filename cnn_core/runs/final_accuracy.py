"""The test accuracy of a run: shown only on request, and every time recorded as a use of the test set.

In: a store and a run. Out: the accuracy. Lists, comparisons and rankings use the validation accuracy (`validation_summary`). Importing this
module does not import torch.
"""

from collections.abc import Iterable
from typing import Any

from cnn_core.metrics.evaluated_models import is_evaluated, record_usage
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

TEST_METRICS = ("test_accuracy", "test_loss")  # in the summary of a run


def reveal_test_accuracy(store: Store, run: Run) -> float | None:
    """Return the test accuracy (0..1) of the run's best model and record that its test set was used; None before there is one."""
    accuracy: float | None = run.summary.get("test_accuracy")
    if accuracy is not None:
        record_usage(store.home, run.config.data, run.id, None)
    return accuracy


def known_test_accuracy(store: Store, run: Run) -> float | None:
    """Return the test accuracy (0..1) of the run's best model if somebody has asked for it before; None otherwise."""
    accuracy: float | None = run.summary.get("test_accuracy")
    return accuracy if is_evaluated(store.home, run.config.data, run.id, None) else None


def reveal_test_accuracies(store: Store, runs: Iterable[Run]) -> list[float | None]:
    """Return and record the test accuracy of each run."""
    return [reveal_test_accuracy(store, run) for run in runs]


def validation_summary(run: Run) -> dict[str, Any]:
    """Return the summary of the run without what was measured on the test set."""
    return {name: value for name, value in run.summary.items() if name not in TEST_METRICS}
