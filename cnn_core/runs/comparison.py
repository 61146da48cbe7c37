"""Comparing runs by validation accuracy: which settings differ, repeated seeds as one group, and a test of their difference.

In: runs. Out: plain values for tables. The test set is never used for comparisons. Importing this module does not import torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from cnn_core.config.schema import TrainConfig, settings_in_effect
from cnn_core.metrics.intervals import SIGNIFICANCE
from cnn_core.runs.run import Run

SEED = "seed"
MAX_SEED = 2**31 - 1
COUNTS = "n = {first} and {second}"
SINGLE_RUNS = "Single runs do not show whether {first} or {second} is better ({counts}). Repeat both with other seeds."
BETTER = (
    "{better} is better than {worse} by {points:.1f} points on average. The difference is {conclusion} (p = {p:.2g}, {counts})."
)
SIGNIFICANT, NOT_SIGNIFICANT = "significant", "not significant"


def differing_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all runs, by name, with the value in each run (None where it has no effect)."""
    settings = [settings_in_effect(run.config) for run in runs]
    columns = {name: [chosen.get(name) for chosen in settings] for name in TrainConfig.model_fields}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


@dataclass(frozen=True)
class SeedGroup:
    """Runs with equal settings except the seed."""

    runs: tuple[Run, ...]

    @property
    def accuracies(self) -> list[float]:
        """The best validation accuracy (0..1) of each run that has one."""
        accuracies = [run.summary.get("best_val_accuracy") for run in self.runs]
        return [accuracy for accuracy in accuracies if accuracy is not None]

    @property
    def mean(self) -> float | None:
        """The mean of the accuracies; None without any."""
        return mean(self.accuracies) if self.accuracies else None

    @property
    def std(self) -> float | None:
        """The sample standard deviation (n - 1 in the denominator) of the accuracies; None for fewer than two."""
        return stdev(self.accuracies) if len(self.accuracies) > 1 else None


def group_by_settings(runs: Sequence[Run]) -> list[SeedGroup]:
    """Return the runs in groups of equal settings except the seed, in the order of each group's first run."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        settings = {name: value for name, value in settings_in_effect(run.config).items() if name not in (SEED, "saved_epochs")}
        groups[repr(settings)].append(run)
    return [SeedGroup(tuple(members)) for members in groups.values()]


def with_new_seed(run: Run, runs: Sequence[Run]) -> TrainConfig:
    """Return the settings of `run` with the seed after the highest one of those `runs` that have the same settings otherwise."""
    same = next((group for group in group_by_settings([run, *runs]) if run in group.runs), SeedGroup((run,)))
    seeds = {other.config.seed for other in same.runs}
    seed = max(seeds) + 1 if max(seeds) < MAX_SEED else next(seed for seed in range(MAX_SEED) if seed not in seeds)
    return run.config.model_copy(update={SEED: seed})


def compare_accuracies(first: Sequence[float], second: Sequence[float], names: tuple[str, str] = ("A", "B")) -> str:
    """Return a sentence that says which group's accuracies (0..1) are higher: Welch's t-test (1947), two-sided."""
    counts = COUNTS.format(first=len(first), second=len(second))
    if min(len(first), len(second)) < 2:
        return SINGLE_RUNS.format(first=names[0], second=names[1], counts=counts)
    from scipy.stats import ttest_ind  # not above: importing it takes 0.6 s, and most pages do not need it

    gap = mean(first) - mean(second)
    better, worse = names if gap >= 0 else names[::-1]
    p = 1.0 if not gap else float(ttest_ind(first, second, equal_var=False).pvalue) if stdev(first) or stdev(second) else 0.0
    conclusion = SIGNIFICANT if p < SIGNIFICANCE else NOT_SIGNIFICANT
    points = 100 * abs(gap)
    return BETTER.format(better=better, worse=worse, points=points, conclusion=conclusion, p=p, counts=counts)
