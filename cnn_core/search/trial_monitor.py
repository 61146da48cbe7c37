"""The course of one trial: what its run reached is told epoch by epoch, hopeless ones are ended, and in the end the result is told.

In: one of Optuna's trials and the run that it is. Out: reports and a result in the study. The objective is the best validation
accuracy; test images choose nothing. The caller holds the run's lock.
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

HOPELESS = "The search ended this trial after epoch {epoch}: at {value:.1%} validation accuracy it was behind the other trials."


@dataclass
class TrialMonitor:
    """A trial that is trained as run `run`. `is_hopeless`: the pruner sees no use in going on."""

    study: "Study"
    trial: "Trial"
    store: Store
    run: str
    is_hopeless: bool = False
    _told: dict[int, float] = field(default_factory=dict)  # best validation accuracy up to each epoch

    def __post_init__(self) -> None:
        self.trial.set_user_attr(RUN, self.run)
        self._epochs = self.store.run(self.run).config.epochs
        self._told = dict(self.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values)

    def report(self) -> None:
        """Tell what the run has reached since the last report, and find out whether it is hopeless."""
        best = 0.0
        for epoch in EventReader(self.store, self.run).epochs():
            best = max(best, epoch.val_accuracy)
            if epoch.epoch not in self._told:
                self.trial.report(best, epoch.epoch)
                self._told[epoch.epoch] = best
        # After the last epoch there is nothing left to save, and only a finished run has its figures.
        self.is_hopeless = max(self._told, default=0) < self._epochs and self.trial.should_prune()

    def explain(self) -> None:
        """Say in the run why it was ended."""
        epoch, value = max(self._told.items())
        self.store.log.append(self.run, [Note(HOPELESS.format(epoch=epoch, value=value))])

    def settle(self) -> None:
        """Tell what came of the run, which has ended."""
        self.report()
        run = self.store.run(self.run)
        self.trial.set_user_attr(SECONDS, run.summary.get("train_seconds"))
        report_trial(
            self.study, self.trial, _outcome(run), run.summary["best_val_accuracy"] if run.status == "finished" else None
        )


def report_trial(study: "Study", trial: "Trial", state: str, value: float | None = None) -> None:
    """End the trial in the study, if nobody has. `state`: COMPLETE, which has a value, PRUNED or FAIL."""
    study.tell(trial, value, state=load_optuna().trial.TrialState[state], skip_if_finished=True)


def _outcome(run: Run) -> str:
    """A run that a person stopped counts with what it had reached."""
    return {"finished": "COMPLETE", "failed": "FAIL"}.get(run.status, "PRUNED")
