"""Runs beside each other: which settings differ, repeated seeds as one group, and what the figures say about which is better.

In: rows of the store. Out: plain values for tables. Importing this module does not import torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.metrics.intervals import EVIDENCE
from cnn_core.runs.run import Run

SEED = "seed"


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs, by name, with the value in each run."""
    columns = {name: [getattr(run.config, name) for run in runs] for name in TrainConfig.model_fields}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed. `accuracies`: test accuracies (0..1) of those that have one."""

    runs: tuple[Run, ...]

    @property
    def accuracies(self) -> list[float]:
        known = [run.summary.get("test_accuracy") for run in self.runs]
        return [accuracy for accuracy in known if accuracy is not None]

    @property
    def mean(self) -> float | None:
        return mean(self.accuracies) if self.accuracies else None

    @property
    def deviation(self) -> float | None:
        """Of a single run (n - 1 in the denominator); None for fewer than two."""
        return stdev(self.accuracies) if len(self.accuracies) > 1 else None


def group_by_settings(runs: Sequence[Run]) -> list[Group]:
    """The runs in groups that share all settings but the seed, in the order of each group's first run."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.config.model_copy(update={SEED: 0}).model_dump_json()].append(run)
    return [Group(tuple(members)) for members in groups.values()]


def verdict(first: Sequence[float], second: Sequence[float], names: tuple[str, str] = ("A", "B")) -> str:
    """Whether the accuracies (0..1) of one group are better than the other's, in a sentence: Welch's t-test (1947), two-sided."""
    counts = f"n = {len(first)} and {len(second)}"
    if min(len(first), len(second)) < 2:
        return f"Whether {names[0]} or {names[1]} is better cannot be said from single runs ({counts}). Repeat both with other seeds."
    from scipy.stats import ttest_ind  # not above: it takes 0.6 s, and most pages that show runs do without

    gap = mean(first) - mean(second)
    better, worse = names if gap >= 0 else names[::-1]
    p = 1.0 if not gap else float(ttest_ind(first, second, equal_var=False).pvalue) if stdev(first) or stdev(second) else 0.0
    said = "evidence" if p < EVIDENCE else "no evidence"
    return f"{better} is better than {worse} by {100 * abs(gap):.1f} points: {said}, p = {p:.2g}, {counts}."
