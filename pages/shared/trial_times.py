"""Durations of trials: estimated from earlier runs before a search, and from its own trials while it runs. In: runs, trials. Out: seconds."""

from collections.abc import Sequence
from statistics import median

from cnn_core.config.schema import TrainConfig
from cnn_core.runs.run import Run
from cnn_core.search.trials import Trial

# Settings that the time of an epoch depends on, all of them or the two that matter most: a rough estimate is better than none.
SIMILAR_BY = (("data", "model", "timm_name", "train", "width", "depth", "batch_size"), ("data", "model", "timm_name", "train"))
LATEST_RUNS = 5


def trial_seconds(base: TrainConfig, runs: Sequence[Run]) -> float | None:
    """Return the estimated seconds of training with the settings `base`, from the latest similar ones of `runs` (newest first); None without any."""
    known = [run for run in runs if run.summary.get("epochs") and run.summary.get("train_seconds")]
    for names in SIMILAR_BY:
        similar = [run for run in known if all(getattr(run.config, name) == getattr(base, name) for name in names)]
        if similar:
            epoch: float = median(run.summary["train_seconds"] / run.summary["epochs"] for run in similar[:LATEST_RUNS])
            return base.epochs * epoch
    return None


def seconds_left(trials: Sequence[Trial], goal: int) -> float | None:
    """Return the seconds until `goal` trials have ended, at the mean duration so far; None before the first has ended."""
    known = [trial.seconds for trial in trials if trial.state != "running" and trial.seconds]
    ended = sum(trial.state != "running" for trial in trials)
    return (goal - ended) * sum(known) / len(known) if known else None
