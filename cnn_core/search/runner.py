"""One search worked off: a trial is drawn, trained as an ordinary run that waits its turn in the one queue, and its result told.

In: a search and the run store. Out: runs in the store, trials in the study. Any number of processes may drive one search, and each
may die at any moment:

- A trial is drawn, or taken over, under the search's drawing lock, until its run is there and held. So a trial that has no run, or one
  that nobody holds, has lost its process. Whoever finds it goes on with it: from the run's checkpoint, or by telling its result.
- The run is held until the result is told. So no trial is trained twice.

Knows of no thread.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnn_core.errors import RunError, SettingError, StudioError
from cnn_core.events import Epoch, Event
from cnn_core.runs.lock import hold, is_held
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.search.sampling import is_filled, make_pruner, restart_trial, sample_trial
from cnn_core.search.storage import wait_for_lock
from cnn_core.search.studies import SearchStore
from cnn_core.search.trial_monitor import TrialMonitor, report_trial
from cnn_core.search.trials import ERROR, Trial, is_repeat, read_trials

if TYPE_CHECKING:
    import optuna

Watch = Callable[[str, Event], None]
Announce = Callable[[Trial], None]


def run_search(
    studies: SearchStore,
    store: Store,
    name: str,
    *,
    should_end: Callable[[], bool],
    wait: Callable[[], None],
    watch: Watch = lambda run, event: None,
    announce: Announce = lambda trial: None,
    should_pass_on: Callable[[], bool] = lambda: False,
) -> None:
    """Work search `name` off until it is done, cancelled, or `should_end`, which is asked at every event; what was learned is kept.

    `should_pass_on` is asked after every trial: whether another search has its turn now.

    `wait` is called again and again while the device, or the last trials, are with others, `watch` with every event of every run,
    `announce` with every trial at its beginning and at its end. Raises StudioError; where no trial at all can be begun (the images are
    gone, the disk is full) the search is cancelled too, and says why.
    """
    with studies.refusing():
        _Driver(studies, store, name, should_end, wait, watch, announce, should_pass_on).to_the_end()


@dataclass
class _Driver:
    studies: SearchStore
    store: Store
    name: str
    should_end: Callable[[], bool]
    wait: Callable[[], None]
    watch: Watch
    announce: Announce
    should_pass_on: Callable[[], bool]

    def to_the_end(self) -> None:
        self.study = self.studies.study(self.name)
        while not self._should_end():
            self.search = self.studies.search(self.name)  # more trials may have been asked for
            self.study.pruner = make_pruner(self.search.plan)
            ended = self._ended()
            with ExitStack() as held:
                course = self._take(held)
                if course:
                    self._train(course)
            if not course and self._is_done():
                self.studies.finish(self.name)
            elif self.should_pass_on():
                return
            elif not course and self._ended() == ended:
                self.wait()

    def _should_end(self) -> bool:
        return self.should_end() or self.studies.status(self.name) != "searching"

    def _counted(self) -> "list[optuna.trial.FrozenTrial]":
        """The trials that were begun, but for those that repeat others."""
        return [
            trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name != "WAITING" and not is_repeat(trial)
        ]

    def _ended(self) -> int:
        return sum(trial.state.is_finished() for trial in self._counted())

    def _is_done(self) -> bool:
        return self._ended() == len(self._counted()) >= self.search.plan.goal

    def _take(self, held: ExitStack) -> TrialMonitor | None:
        """A trial to train, whose run is `held` from now on: one that lost its process, else a new one. None where there is none now."""
        with wait_for_lock(self.studies.drawing_lock(self.search), self._should_end) as is_mine:
            if not is_mine:
                return None
            running = [trial for trial in self._counted() if not trial.state.is_finished()]
            for trial in (restart_trial(self.study, self.search.plan, frozen) for frozen in running):
                run = self._run_of(trial)
                if not run and is_filled(self.study, self.search.plan, trial):
                    return self._begin(trial, held)
                if run and (course := self._go_on(trial, run, held)):
                    return course
            if len(self._counted()) >= self.search.plan.goal:
                return None
            trial = sample_trial(self.study, self.search.plan)
            return self._begin(trial, held) if trial else None

    def _run_of(self, trial: "optuna.Trial") -> Run | None:
        found = self.store.select("where id is not null and origin = ?", (self._origin(trial),))
        return found[0] if found else None

    def _origin(self, trial: "optuna.Trial") -> str:
        return f"{self.search.origin}/{trial.number}"

    def _begin(self, trial: "optuna.Trial", held: ExitStack) -> TrialMonitor | None:
        """The trial with a run of its own, held. None where its settings are refused, which counts, or its owner has enough runs waiting."""
        from cnn_core.runs.submit import submit

        plan = self.search.plan
        try:
            config = plan.config(plan.settings(trial.params))
            hold_it = lambda run, folder: held.enter_context(hold(folder))  # noqa: E731
            run = submit(config, self.store, owner=plan.owner, origin=self._origin(trial), prepare=hold_it)
        except SettingError as error:
            trial.set_user_attr(ERROR, str(error))
            report_trial(self.study, trial, "FAIL")
            self._announce(trial)
        except RunError:
            return None
        except StudioError as error:
            self.studies.cancel(self.name, str(error))
            raise
        else:
            return TrialMonitor(self.study, trial, self.store, run)

    def _go_on(self, trial: "optuna.Trial", run: Run, held: ExitStack) -> TrialMonitor | None:
        """The trial with its run, which nobody held, held and waiting. None where somebody holds it, or where it has ended, which is told."""
        folder = self.store.home.run_folder(run.id)
        if is_held(folder) or self._frozen(trial).state.is_finished():  # whoever held it a moment ago has told its result
            return None
        run = self.store.run(run.id)  # as it was left
        course = TrialMonitor(self.study, trial, self.store, run.id)
        if self._is_over(run):
            course.settle()
            self._announce(trial)
            return None
        take = lambda: held.enter_context(hold(folder))  # noqa: E731
        try:
            take() if run.status == "queued" else self.store.queue.resume(run.id, prepare=take)
        except RunError:  # somebody was faster, its process died this very moment, or its owner has enough runs waiting
            return None
        return course

    def _is_over(self, run: Run) -> bool:
        """Whether there is nothing to go on with: it is done, it failed, or a person stopped it or put it into the bin."""
        is_given_up = run.removed is not None or self.store.requests.should_stop(run.id)
        return run.status in ("finished", "failed") or (is_given_up and not run.is_active)

    def _train(self, course: TrialMonitor) -> None:
        """Train the trial's run, which is held, and tell what came of it, unless it was broken off to go on another time."""
        from cnn_core.execution.in_process import execute

        def watch(event: Event) -> None:
            self.watch(course.run, event)
            if isinstance(event, Epoch):
                course.report()

        self._announce(course.trial)
        should_end = lambda: course.is_hopeless or self._should_end()  # noqa: E731
        status = execute(self.store, course.run, watch=watch, should_end=should_end, is_held=True, wait=self.wait)
        if status == "stopped" and course.is_hopeless:
            course.explain()
        elif status == "stopped" and self._should_end() and not self.store.requests.should_stop(course.run):
            return
        course.settle()
        self._announce(course.trial)

    def _announce(self, trial: "optuna.Trial") -> None:
        self.announce(*read_trials(self.search.plan, [self._frozen(trial)]))

    def _frozen(self, trial: "optuna.Trial") -> "optuna.trial.FrozenTrial":
        """The trial as it is in the study now."""
        return self.study.get_trials(deepcopy=False)[trial.number]
