"""Doing an exercise: pairs of runs through the ordinary queue, and the row in the store that remembers who tried what and expected what.

Run A0, B0, A1, B1 …: A without and B with, the number is the seed; so a first comparison is there early. A run says where it belongs by its
origin, "lesson/dropout/3/B0". In: a store. Out: attempts, their runs and their outcome. Importing this module does not import torch.
"""

import time
from dataclasses import dataclass

from cnn_core.errors import StudioError
from cnn_core.events import Epoch, Started
from cnn_core.lessons.cards import SIDES, Side, find_lesson
from cnn_core.lessons.measures import Measure
from cnn_core.lessons.outcome import PREDICTIONS, Outcome, read_outcome
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

PAIRS, MOST_PAIRS = 3, 6
COLUMNS = "number, lesson, data, owner, prediction, created"


@dataclass(frozen=True)
class Attempt:
    """One try at an exercise. `prediction`: one of PREDICTIONS; `created`: Unix seconds; `owner`: "" where nobody signs in."""

    number: int
    lesson: str
    data: str
    owner: str
    prediction: str
    created: float

    @property
    def origin(self) -> str:
        """What its runs' origins begin with."""
        return f"lesson/{self.lesson}/{self.number}"


@dataclass(frozen=True)
class Try:
    """An attempt with its runs as they are now, oldest first."""

    attempt: Attempt
    runs: tuple[Run, ...]

    @property
    def is_active(self) -> bool:
        return any(run.is_active for run in self.runs)

    @property
    def pairs(self) -> list[tuple[Run, Run]]:
        """A and B of every seed of which both are finished."""
        by_place = {place_of(run): run for run in self.runs if run.status == "finished"}
        seeds = sorted({int(place[1:]) for place in by_place})
        return [(by_place[f"A{seed}"], by_place[f"B{seed}"]) for seed in seeds if {f"A{seed}", f"B{seed}"} <= by_place.keys()]

    @property
    def is_done(self) -> bool:
        """Whether there is something to learn from and nothing to wait for."""
        return bool(self.pairs) and not self.is_active


def place_of(run: Run) -> str:
    """Its place in the exercise: "B0" is run B of the pair with seed 0."""
    return run.origin.rpartition("/")[2]


def begin(store: Store, lesson: str, data: str, prediction: str, owner: str = "", pairs: int = PAIRS) -> Attempt:
    """Put the runs of an exercise into the queue. Gives the attempt that is under way where this owner has one of the same lesson.

    Raises StudioError for an unknown lesson, prediction or number of pairs, where the owner's share of the server is used up, and as
    `submit.check` does; nothing waits then.
    """
    found = find_lesson(lesson)
    if prediction not in PREDICTIONS:
        raise StudioError(f"A prediction is one of: {', '.join(PREDICTIONS)}. Choose one of them.")
    if not 1 <= pairs <= MOST_PAIRS:
        raise StudioError(f"An exercise trains 1 to {MOST_PAIRS} pairs. Choose a number among these.")
    if (last := last_try(store, lesson, owner)) and last.is_active:
        return last.attempt
    from cnn_core.runs.submit import check  # brings torch

    for side in SIDES:
        check(found.settings(side, data), store)
    store.quota.check_queue(owner, pairs * len(SIDES))
    attempt = _note(store, lesson, data, prediction, owner)
    try:
        for seed in range(pairs):
            for side in SIDES:
                _add(store, attempt, side, seed)
    except StudioError:  # this person's share of the disk is used up, or another tab has taken that of the queue
        stop(store, attempt)
        raise
    return attempt


def _add(store: Store, attempt: Attempt, side: Side, seed: int) -> None:
    """Let one of the attempt's runs wait, under a name that says what it is."""
    from cnn_core.runs.submit import submit

    lesson = find_lesson(attempt.lesson)
    origin = f"{attempt.origin}/{side}{seed}"
    run = submit(lesson.settings(side, attempt.data, seed), store, origin=origin, owner=attempt.owner)
    RunOrganizer(store).describe(run, name=f"{lesson.title} {side}{seed}: {lesson.names[SIDES.index(side)]}")


def _note(store: Store, lesson: str, data: str, prediction: str, owner: str) -> Attempt:
    values = (lesson, data, owner, prediction, time.time())
    with store.database.connect() as db:
        number = db.execute(
            "insert into attempts (lesson, data, owner, prediction, created) values (?, ?, ?, ?, ?)", values
        ).lastrowid
    return Attempt(number, *values)


def attempts(store: Store, owner: str = "") -> list[Attempt]:
    """All of this owner's, newest first."""
    with store.database.connect() as db:
        rows = db.execute(f"select {COLUMNS} from attempts where owner = ? order by number desc", (owner,)).fetchall()
    return [Attempt(*row) for row in rows]


def look(store: Store, attempt: Attempt) -> Try:
    """The attempt with its runs as they are now."""
    return Try(attempt, tuple(store.created_by(attempt.origin)))


def last_try(store: Store, lesson: str, owner: str = "") -> Try | None:
    """The newest attempt at `lesson`, None where there is none."""
    return next((look(store, attempt) for attempt in attempts(store, owner) if attempt.lesson == lesson), None)


def lessons_done(store: Store, owner: str = "") -> set[str]:
    """The lessons of which some attempt is done."""
    done: set[str] = set()
    for attempt in attempts(store, owner):
        if attempt.lesson not in done and look(store, attempt).is_done:
            done.add(attempt.lesson)
    return done


def stop(store: Store, attempt: Attempt) -> None:
    """End the attempt's runs that wait or train; those that are finished stay. From the last on, so that none begins meanwhile."""
    for run in reversed(store.created_by(attempt.origin)):
        if run.is_active:
            store.requests.stop(run.id)


def outcome(store: Store, tried: Try, measure: Measure) -> Outcome | None:
    """B against A over the finished pairs, None while there is none."""
    if not tried.pairs:
        return None
    figures = [tuple(measure.read(_epochs(store, run)) for run in pair) for pair in tried.pairs]
    return read_outcome(measure, figures, validation_count(store, tried))


def validation_count(store: Store, tried: Try) -> int:
    """How many images the attempt's runs were validated on; 0 while that is not known."""
    known = [item.event.val_count for item in store.log.read(tried.runs[0].id, kinds=[Started])] if tried.runs else []
    return known[-1] if known else 0


def _epochs(store: Store, run: Run) -> list[Epoch]:
    return [item.event for item in store.log.read(run.id, kinds=[Epoch])]
