"""Attempts at exercises: pairs of runs in the ordinary queue, and the row in the run store with the exercise and the prediction.

The runs are A0, B0, A1, B1 …: A without the change and B with it; the number is the seed. This order gives a first comparison early. The
origin of a run names its attempt: "lesson/dropout/3/B0" is run B with seed 0 of attempt 3 at the exercise "dropout". On a server that people
share, an attempt uses the runs of earlier attempts that answer the same question (see `same_runs`). In: a run store. Out: attempts, their runs
and the effect of the change. Importing this module does not import torch.
"""

import time
from dataclasses import dataclass

from cnn_core.data.open import open_source
from cnn_core.errors import StudioError
from cnn_core.events import Epoch, Started
from cnn_core.lessons.effect import PREDICTIONS, Effect, make_effect
from cnn_core.lessons.epoch_effects import RunEpochs, measure_epochs
from cnn_core.lessons.exercises import VARIANTS, Variant, find_exercise
from cnn_core.lessons.final_metrics import FinalMetric
from cnn_core.lessons.same_runs import find_same_run, one_start_at_a_time
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import Run
from cnn_core.runs.sharing import hand_over, runs_shared_with, share_run, stop_using
from cnn_core.runs.store import Store

DEFAULT_PAIRS, MAX_PAIRS = 3, 6
COLUMNS = "number, lesson, data, owner, prediction, created"


@dataclass(frozen=True)
class Attempt:
    """One attempt at an exercise, as its row in the run store.

    prediction: one of PREDICTIONS. created: Unix time in seconds. owner: "" if the server has no sign-in.
    """

    number: int
    exercise: str
    data: str
    owner: str
    prediction: str
    created: float

    @property
    def origin(self) -> str:
        """The beginning of the origin of its runs."""
        return f"lesson/{self.exercise}/{self.number}"


@dataclass(frozen=True)
class AttemptRuns:
    """An attempt with its runs, in the order A0, B0, A1 …, as they were when they were read."""

    attempt: Attempt
    runs: tuple[Run, ...]

    @property
    def shared(self) -> list[Run]:
        """The runs that belong to another attempt."""
        return [run for run in self.runs if not run.origin.startswith(f"{self.attempt.origin}/")]

    @property
    def is_active(self) -> bool:
        return any(run.is_active for run in self.runs)

    @property
    def pairs(self) -> list[tuple[Run, Run]]:
        """Runs A and B of every seed for which both are finished."""
        finished = {run_label(run): run for run in self.runs if run.status == "finished"}
        seeds = sorted({int(label[1:]) for label in finished})
        return [(finished[f"A{seed}"], finished[f"B{seed}"]) for seed in seeds if {f"A{seed}", f"B{seed}"} <= finished.keys()]

    @property
    def seconds_left(self) -> float | None:
        """The expected seconds until the last run has ended, at the mean duration of those that have; None before the first and after the last."""
        ended = [run.summary["seconds"] for run in self.runs if not run.is_active and run.summary.get("seconds")]
        waiting = sum(run.status == "queued" for run in self.runs)
        training = sum(run.is_active for run in self.runs) - waiting
        return (waiting + training / 2) * sum(ended) / len(ended) if ended and self.is_active else None

    @property
    def is_completed(self) -> bool:
        """Whether no run is active any more and at least one pair is finished."""
        return bool(self.pairs) and not self.is_active


def run_label(run: Run) -> str:
    """Return the variant and the seed of a run of an exercise: "B0"."""
    return run.origin.rpartition("/")[2]


def start_attempt(
    store: Store, exercise: str, data: str, prediction: str, owner: str = "", pairs: int = DEFAULT_PAIRS
) -> Attempt:
    """Add the runs of an exercise to the queue and return the attempt; return the active one if this owner has one at the same exercise.

    An attempt with an owner uses runs that answer the same question, whoever started them; only the others are added.

    Raises StudioError for an unknown exercise, prediction or number of pairs, if the owner's quota is used up, and as `submit.check_can_start` does;
    no run is in the queue then.
    """
    found = find_exercise(exercise)
    if prediction not in PREDICTIONS:
        raise StudioError(f"“{prediction[:40]}” is not a prediction. Choose one of: {', '.join(PREDICTIONS)}.")
    if not 1 <= pairs <= MAX_PAIRS:
        raise StudioError(f"{pairs} pairs cannot be trained. Choose 1 to {MAX_PAIRS} pairs.")
    if (latest := latest_attempt(store, exercise, owner)) and latest.is_active:
        return latest.attempt
    from cnn_core.runs.submit import check_can_start  # imports torch

    for variant in VARIANTS:
        check_can_start(found.settings(variant, data), store)
    needed = [(variant, seed) for seed in range(pairs) for variant in VARIANTS]
    with one_start_at_a_time(store):
        info = open_source(data, store.home).info  # read now, because another attempt may have imported the data since the check
        same: dict[tuple[Variant, int], Run] = {}
        for variant, seed in needed if owner else ():
            settings = found.settings(variant, data, seed)
            if run := find_same_run(store, exercise, f"{variant}{seed}", settings, info):
                same[variant, seed] = run
        if len(same) < len(needed):
            store.quota.check_queue(owner, len(needed) - len(same))
        attempt = add_attempt(store, exercise, data, prediction, owner)
        for run in same.values():
            share_run(store.database, run.id, attempt.number)
        try:
            for variant, seed in needed:
                if (variant, seed) not in same:
                    _submit_run(store, attempt, variant, seed)
        except StudioError:  # the disk quota is used up, or another tab has filled the queue since the check
            stop_attempt(store, attempt)
            raise
    return attempt


def _submit_run(store: Store, attempt: Attempt, variant: Variant, seed: int) -> None:
    """Add one run of the attempt to the queue and name it after the exercise."""
    from cnn_core.runs.submit import submit

    exercise = find_exercise(attempt.exercise)
    origin = f"{attempt.origin}/{variant}{seed}"
    run = submit(exercise.settings(variant, attempt.data, seed), store, origin=origin, owner=attempt.owner)
    RunOrganizer(store).describe(run, name=f"{exercise.title} {variant}{seed}: {exercise.variant_name(variant)}")


def add_attempt(store: Store, exercise: str, data: str, prediction: str, owner: str) -> Attempt:
    """Add a row for an attempt, which has no runs yet."""
    created = time.time()
    with store.database.connect() as db:
        number = db.execute(
            "insert into attempts (lesson, data, owner, prediction, created) values (?, ?, ?, ?, ?)",
            (exercise, data, owner, prediction, created),
        ).lastrowid
    assert number is not None  # sqlite3 sets it after an insert
    return Attempt(number, exercise, data, owner, prediction, created)


def list_attempts(store: Store, owner: str = "") -> list[Attempt]:
    """Return all attempts of this owner, newest first."""
    with store.database.connect() as db:
        rows = db.execute(f"select {COLUMNS} from attempts where owner = ? order by number desc", (owner,)).fetchall()
    return [Attempt(*row) for row in rows]


def read_runs(store: Store, attempt: Attempt) -> AttemptRuns:
    """Return the attempt with the current state of its runs."""
    runs = store.created_by(attempt.origin)
    if shared := runs_shared_with(store.database, attempt.number):
        marks = ", ".join("?" * len(shared))
        runs += store.select(f"where id in ({marks})", tuple(shared))
    return AttemptRuns(attempt, tuple(sorted(runs, key=lambda run: (int(run_label(run)[1:]), run_label(run)))))


def latest_attempt(store: Store, exercise: str, owner: str = "") -> AttemptRuns | None:
    """Return the newest attempt at an exercise with its runs, None if there is none."""
    return next((read_runs(store, attempt) for attempt in list_attempts(store, owner) if attempt.exercise == exercise), None)


def completed_exercises(store: Store, owner: str = "") -> set[str]:
    """Return the names of the exercises of which this owner has completed an attempt."""
    completed: set[str] = set()
    for attempt in list_attempts(store, owner):
        if attempt.exercise not in completed and read_runs(store, attempt).is_completed:
            completed.add(attempt.exercise)
    return completed


def stop_attempt(store: Store, attempt: Attempt) -> None:
    """Stop the active runs of the attempt and keep the finished ones. The last run is stopped first, so that no other starts meanwhile.

    A run that other attempts use trains on for them.
    """
    for run in reversed(read_runs(store, attempt).runs):
        if not run.is_active:
            continue
        if not run.origin.startswith(f"{attempt.origin}/"):
            stop_using(store.database, run.id, attempt.number)
        elif not hand_over(store.database, run.id):
            store.requests.stop(run.id)


def resume_attempt(store: Store, attempt: Attempt) -> None:
    """Put the runs of the attempt that ended before they were completed back into the queue, in their order.

    Raises StudioError, and resumes none, where their images are no longer those of the attempt or the owner's queue is full.
    """
    ended = [run for run in read_runs(store, attempt).runs if run.can_resume and run.origin.startswith(f"{attempt.origin}/")]
    for run in ended:
        check_continuation(store, run)
    store.quota.check_queue(attempt.owner, len(ended))
    for run in ended:
        store.queue.resume(run.id)


def measure_effect(store: Store, attempt_runs: AttemptRuns, metric: FinalMetric) -> Effect | None:
    """Return the effect over the finished pairs, None if there are none."""
    if not attempt_runs.pairs:
        return None
    pairs = [(metric.average(_epochs(store, a)), metric.average(_epochs(store, b))) for a, b in attempt_runs.pairs]
    return make_effect(metric, pairs, validation_count(store, attempt_runs))


def measure_during_training(store: Store, attempt_runs: AttemptRuns, metric: FinalMetric) -> tuple[Effect, ...]:
    """Return the effect at each epoch that both runs of at least one pair have reached, also of runs that still train."""
    by_label = {run_label(run): run for run in attempt_runs.runs}
    seeds = sorted({int(label[1:]) for label in by_label})
    pairs = [(by_label[f"A{seed}"], by_label[f"B{seed}"]) for seed in seeds if {f"A{seed}", f"B{seed}"} <= by_label.keys()]
    epochs = [(_run_epochs(store, a), _run_epochs(store, b)) for a, b in pairs]
    return measure_epochs(metric, epochs, validation_count(store, attempt_runs))


def _run_epochs(store: Store, run: Run) -> RunEpochs:
    return RunEpochs(_epochs(store, run), is_finished=run.status == "finished")


def validation_count(store: Store, attempt_runs: AttemptRuns) -> int:
    """Return the number of validation images of the attempt's runs; 0 if no run has started."""
    if not attempt_runs.runs:
        return 0
    events = [item.event for item in store.log.read(attempt_runs.runs[0].id, kinds=[Started])]
    return next((event.val_count for event in reversed(events) if isinstance(event, Started)), 0)


def _epochs(store: Store, run: Run) -> list[Epoch]:
    events = [item.event for item in store.log.read(run.id, kinds=[Epoch])]
    return [event for event in events if isinstance(event, Epoch)]
