"""Running one search: sample a trial, train it as an ordinary run of the queue, record its result, and repeat.

In: a search and the run store. Out: runs in the store, trials in the study. Any number of processes may run one search, and each may end at any
time:

- A process holds the search's sampling lock while it samples or takes over a trial, until the trial's run exists and is locked. So a trial
  without a run, or whose run is not locked, has lost its process. The process that finds it resumes the run from its checkpoint, or records its result.
- The run stays locked until the result is recorded. So no trial is trained twice.

This module uses no threads.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnn_core.errors import RunError, SettingError, StudioError
from cnn_core.events import Epoch, Event
from cnn_core.locks import wait_for_lock
from cnn_core.runs.lock import hold, is_held
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.search.sampling import fill_settings, make_pruner, restart_trial, sample_trial
from cnn_core.search.search_store import SearchStore
from cnn_core.search.trial_monitor import TrialMonitor, finish_trial
from cnn_core.search.trials import ERROR, Trial, is_repeat, read_trials

if TYPE_CHECKING:
    import optuna

Watch = Callable[[str, Event], None]
Announce = Callable[[Trial], None]


def run_search(
    searches: SearchStore,
    store: Store,
    name: str,
    *,
    should_end: Callable[[], bool],
    wait: Callable[[], None],
    watch: Watch = lambda run, event: None,
    announce: Announce = lambda trial: None,
    should_yield: Callable[[], bool] = lambda: False,
) -> None:
    """Run search `name` until it is done, cancelled, or `should_end` returns True, which is called at every event.

    should_yield: called after every trial; True where it is the turn of another search. wait: called repeatedly while other processes use the device
    or train the last trials. watch: called with every event of every run. announce: called with every trial at its start and end. Raises StudioError;
    where no trial can start (the images are missing, the disk is full) the search is cancelled with the reason.
    """
    with searches.translate_errors():
        _SearchRunner(searches, store, name, should_end, wait, watch, announce, should_yield).run()


@dataclass
class _SearchRunner:
    searches: SearchStore
    store: Store
    name: str
    should_end: Callable[[], bool]
    wait: Callable[[], None]
    watch: Watch
    announce: Announce
    should_yield: Callable[[], bool]

    def run(self) -> None:
        """Run trials until the search ends or yields."""
        self.study = self.searches.study(self.name)
        while not self._should_end():
            self.search = self.searches.search(self.name)  # the number of trials may have changed
            self.study.pruner = make_pruner(self.search.plan)
            ended = self._count_ended()
            with ExitStack() as held:
                monitor = self._next_trial(held)
                if monitor:
                    self._train(monitor)
            if not monitor and self._is_done():
                self.searches.finish(self.name)
            elif self.should_yield():
                return
            elif not monitor and self._count_ended() == ended:
                self.wait()

    def _should_end(self) -> bool:
        return self.should_end() or self.searches.status(self.name) != "searching"

    def _started_trials(self) -> "list[optuna.trial.FrozenTrial]":
        """Return the trials that were started, without those that repeat others."""
        return [
            trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name != "WAITING" and not is_repeat(trial)
        ]

    def _count_ended(self) -> int:
        return sum(trial.state.is_finished() for trial in self._started_trials())

    def _is_done(self) -> bool:
        return self._count_ended() == len(self._started_trials()) >= self.search.plan.total_trials

    def _next_trial(self, held: ExitStack) -> TrialMonitor | None:
        """Return a trial to train: one that lost its process, else a new one; None where there is none. `held` then holds the lock of its run."""
        with wait_for_lock(self.searches.sampling_lock(self.search), self._should_end) as is_acquired:
            if not is_acquired:
                return None
            running = [trial for trial in self._started_trials() if not trial.state.is_finished()]
            for trial in (restart_trial(self.study, self.search.plan, frozen) for frozen in running):
                run = self._run_of(trial)
                if not run and fill_settings(self.study, self.search.plan, trial):
                    return self._start_trial(trial, held)
                if run and (monitor := self._resume_trial(trial, run, held)):
                    return monitor
            if len(self._started_trials()) >= self.search.plan.total_trials:
                return None
            sampled = sample_trial(self.study, self.search.plan)
            return self._start_trial(sampled, held) if sampled else None

    def _run_of(self, trial: "optuna.Trial") -> Run | None:
        runs = self.store.select("where id is not null and origin = ?", (self._origin(trial),))
        return runs[0] if runs else None

    def _origin(self, trial: "optuna.Trial") -> str:
        return f"{self.search.origin}/{trial.number}"

    def _start_trial(self, trial: "optuna.Trial", held: ExitStack) -> TrialMonitor | None:
        """Create and lock the trial's run. Return None where its settings are refused (a failed trial) or its owner's quota is reached."""
        from cnn_core.runs.submit import submit

        plan = self.search.plan
        try:
            settings = plan.trial_settings(trial.params)
            lock_run = lambda run, folder: held.enter_context(hold(folder))  # noqa: E731
            config, origin = plan.trial_config(settings), self._origin(trial)
            run = submit(config, self.store, {*settings, "plateau_patience"}, owner=plan.owner, origin=origin, prepare=lock_run)
        except SettingError as error:
            trial.set_user_attr(ERROR, str(error))
            finish_trial(self.study, trial, "FAIL")
            self._announce(trial)
            return None
        except RunError:
            return None
        except StudioError as error:
            self.searches.cancel(self.name, str(error))
            raise
        else:
            return TrialMonitor(self.study, trial, self.store, run)

    def _resume_trial(self, trial: "optuna.Trial", run: Run, held: ExitStack) -> TrialMonitor | None:
        """Lock and queue the trial's run again. Return None where another process has it, or where it has ended; then record its result."""
        folder = self.store.home.run_folder(run.id)
        if is_held(folder) or self._current(trial).state.is_finished():  # the process that held it has just recorded the result
            return None
        run = self.store.run(run.id)  # its current state
        monitor = TrialMonitor(self.study, trial, self.store, run.id)
        if self._has_ended(run):
            monitor.finish()
            self._announce(trial)
            return None

        def lock_run() -> None:
            held.enter_context(hold(folder))

        try:
            if run.status == "queued":
                lock_run()
            else:
                self.store.queue.resume(run.id, prepare=lock_run)
        except RunError:  # another process was faster, or its owner's quota is reached
            return None
        return monitor

    def _has_ended(self, run: Run) -> bool:
        """Whether it cannot be resumed: it is completed, failed, was stopped by a person or is in the bin."""
        is_stopped = run.removed is not None or self.store.requests.should_stop(run.id)
        return run.status in ("finished", "failed") or (is_stopped and not run.is_active)

    def _train(self, monitor: TrialMonitor) -> None:
        """Train the trial's run, which is locked, and record its result, unless it was interrupted to be resumed later."""
        from cnn_core.execution.in_process import execute

        def watch(event: Event) -> None:
            self.watch(monitor.run, event)
            if isinstance(event, Epoch):
                monitor.report()

        self._announce(monitor.trial)
        should_end = lambda: monitor.should_prune or self._should_end()  # noqa: E731
        status = execute(self.store, monitor.run, watch=watch, should_end=should_end, is_held=True, wait=self.wait)
        if status == "stopped" and monitor.should_prune:
            monitor.log_pruning()
        elif status == "stopped" and self._should_end() and not self.store.requests.should_stop(monitor.run):
            return
        monitor.finish()
        self._announce(monitor.trial)

    def _announce(self, trial: "optuna.Trial") -> None:
        self.announce(*read_trials(self.search.plan, [self._current(trial)]))

    def _current(self, trial: "optuna.Trial") -> "optuna.trial.FrozenTrial":
        """Return the trial's current state in the study."""
        return self.study.get_trials(deepcopy=False)[trial.number]
