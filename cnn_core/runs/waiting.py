"""The line of waiting runs as a person in it sees it: the place, what is training now, and for how long.

In: a store. Out: one sentence or two for each waiting run. Importing this module does not import torch.
"""

import threading
import time
from dataclasses import dataclass

from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import TRAINING, Run
from cnn_core.runs.store import Store
from cnn_core.text import counted, format_duration

READ_SECONDS = 2.0  # the line is read once in this time, for all who wait
ROUND_SECONDS = 5  # the time left is shown in these steps, so that the text does not change at every step
PLACE = "Place {place} of {count} in the queue."
NEXT = "It starts as soon as the device is free."
TRAINS = "It waits for {run}, which is training."
TIME_LEFT = "It waits for {run}, which has about {time} left."
PAUSED = "It waits for {run}, which is paused."
BEFORE = "Before it comes {runs}."
BEFORE_PLURAL = "Before it come {runs}."


@dataclass(frozen=True)
class Wait:
    """The state of a waiting run: `place` in the line from 1, of `count`; `run`: the run that trains now, "" for none, with its seconds left."""

    place: int
    count: int
    run: str = ""
    is_paused: bool = False
    seconds: float | None = None


def describe_wait(wait: Wait) -> str:
    """Return the place in the line, what the run waits for, and the time left where it is known."""
    if not wait.run:
        now = NEXT if wait.place == 1 else ""
    elif wait.is_paused:
        now = PAUSED.format(run=wait.run)
    elif wait.seconds is None:
        now = TRAINS.format(run=wait.run)
    else:
        left = max(ROUND_SECONDS, ROUND_SECONDS * round(wait.seconds / ROUND_SECONDS))
        now = TIME_LEFT.format(run=wait.run, time=format_duration(left))
    others = wait.place - 1
    before = (BEFORE if others == 1 else BEFORE_PLURAL).format(runs=counted(others, "other run")) if others else ""
    return " ".join(text for text in (PLACE.format(place=wait.place, count=wait.count), now, before) if text)


class WaitingLine:
    """The waiting runs of a store. Any number of threads may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = -READ_SECONDS
        self._waiting: list[str] = []
        self._current: Run | None = None
        self._history, self._followed = History(), ""

    def describe(self, run: str) -> str:
        """Return the text for a waiting run; "" for one that does not wait. Raises StudioError."""
        with self._lock:
            if time.monotonic() - self._read_at >= READ_SECONDS or run not in self._waiting:
                self._read()
            if run not in self._waiting:
                return ""
            current = self._current
            return describe_wait(
                Wait(
                    self._waiting.index(run) + 1,
                    len(self._waiting),
                    current.id if current else "",
                    bool(current and current.status == "paused"),
                    self._history.seconds_left if current else None,
                )
            )

    def _read(self) -> None:
        """Read the line, and the progress of the run that was started first among those that train."""
        self._waiting = self._store.queue.waiting()
        training = self._store.select("where status in (?, ?) and id is not null order by started", TRAINING)
        self._current = next((run for run in training if run.status in TRAINING), None)
        if self._current:
            if self._followed != self._current.id:
                self._history, self._followed = read_history(self._store, self._current.id), self._current.id
                self._history.drop_steps()
            self._history.add(self._store.log.read(self._current.id, self._history.seq))
        self._read_at = time.monotonic()
