"""How long trials take: before the search from runs that have ended, while it goes on from its own. In: rows, trials. Out: seconds, words."""

from collections.abc import Sequence
from statistics import median

from cnn_core.config.schema import TrainConfig
from cnn_core.runs.run import Run
from cnn_core.search.trials import Trial

ALIKE = (
    ("data", "model", "width", "depth", "batch_size"),
    ("data", "model"),
)  # what an epoch's time depends on; rather roughly than not
LATEST = 5


def trial_seconds(base: TrainConfig, runs: Sequence[Run]) -> float | None:
    """Seconds of training with the settings `base`, from the latest of the `runs` (newest first) that are alike; None without any."""
    known = [run for run in runs if run.summary.get("epochs") and run.summary.get("train_seconds")]
    for names in ALIKE:
        alike = [run for run in known if all(getattr(run.config, name) == getattr(base, name) for name in names)]
        if alike:
            epoch = median(run.summary["train_seconds"] / run.summary["epochs"] for run in alike[:LATEST])
            return base.epochs * epoch
    return None


def seconds_left(trials: Sequence[Trial], goal: int) -> float | None:
    """Seconds until `goal` trials have ended, if they go on taking as long as the mean of those so far; None before the first has."""
    known = [trial.seconds for trial in trials if trial.state != "running" and trial.seconds]
    ended = sum(trial.state != "running" for trial in trials)
    return (goal - ended) * sum(known) / len(known) if known else None


def in_words(seconds: float) -> str:
    """ "12 s", "4 min", "2.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
