"""Monitoring one trial: its accuracy is reported after every epoch, a poor trial is pruned, and at the end the result is recorded.

In: one of Optuna's trials and its run. Out: reports and a result in the study. The objective is the best validation accuracy; the test set is
never used. The caller holds the run's lock.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnn_core.events import Note
from cnn_core.runs.event_reader import EventReader
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.search.storage import load_optuna
from cnn_core.search.trials import RUN, SECONDS

if TYPE_CHECKING:
    from optuna import Study, Trial

PRUNED_NOTE = "The search stopped this trial after epoch {epoch}: its validation accuracy of {value:.1%} was among the lowest."


@dataclass
class TrialMonitor:
    """Monitors a trial that is trained as run `run`. should_prune: the pruner decided to stop it."""

    study: "Study"
    trial: "Trial"
    store: Store
    run: str
    should_prune: bool = False
    _reported: dict[int, float] = field(default_factory=dict)  # best validation accuracy up to each epoch

    def __post_init__(self) -> None:
        self.trial.set_user_attr(RUN, self.run)
        self._epochs = self.store.run(self.run).config.epochs
        self._reported = dict(self.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values)

    def report(self) -> None:
        """Report the epochs since the last report; the pruner then decides `should_prune`."""
        best = 0.0
        for epoch in EventReader(self.store, self.run).epochs():
            best = max(best, epoch.val_accuracy)
            if epoch.epoch not in self._reported:
                self.trial.report(best, epoch.epoch)
                self._reported[epoch.epoch] = best
        # Not after the last epoch: only a completed run has its final metrics.
        self.should_prune = max(self._reported, default=0) < self._epochs and self.trial.should_prune()

    def log_pruning(self) -> None:
        """Add the reason to the events of the run."""
        epoch, value = max(self._reported.items())
        self.store.log.append(self.run, [Note(PRUNED_NOTE.format(epoch=epoch, value=value))])

    def finish(self) -> None:
        """Record the result of the run, which has ended."""
        self.report()
        run = self.store.run(self.run)
        self.trial.set_user_attr(SECONDS, run.summary.get("train_seconds"))
        finish_trial(
            self.study, self.trial, _final_state(run), run.summary["best_val_accuracy"] if run.status == "finished" else None
        )


def finish_trial(study: "Study", trial: "Trial", state: str, value: float | None = None) -> None:
    """Record the end of the trial unless that was done. state: COMPLETE, which has a value, PRUNED or FAIL."""
    study.tell(trial, value, state=load_optuna().trial.TrialState[state], skip_if_finished=True)


def _final_state(run: Run) -> str:
    """Return the trial's state; a run that a person stopped counts as pruned."""
    return {"finished": "COMPLETE", "failed": "FAIL"}.get(run.status, "PRUNED")
