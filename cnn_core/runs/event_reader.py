"""What training told of a run, step by step and still true: what a resumption took back is left out. In: a store. Out: reports, epochs.

Events are read a piece at a time, so a run of a million steps needs no more memory than a short one. Importing this module does not
import torch.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cnn_core.events import Changed, Epoch, Resumed, Started, Steps
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.store import Store

PIECE = 500  # events read at a time


@dataclass(frozen=True)
class EventReader:
    """The run `run` of `store`, as far as it had come when it was opened."""

    store: Store
    run: str

    def reports(self) -> Iterator[Steps]:
        """Every report in order, without steps that were taken back."""
        limits = self._limits()
        for item in self._read(Steps):
            report, limit = item.event, limits.step(item.seq)
            beyond = report.step - limit
            if beyond < len(report.loss):
                yield report if beyond <= 0 else _shortened(report, int(beyond))

    def epochs(self) -> list[Epoch]:
        limits = self._limits()
        return [item.event for item in self._read(Epoch) if item.event.epoch <= limits.epoch(item.seq)]

    def changes(self) -> list[Changed]:
        """What was changed while it trained."""
        limits = self._limits()
        return [item.event for item in self._read(Changed) if item.event.step <= limits.step(item.seq)]

    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none where the run did not begin."""
        return next((item.event.classes for item in self._read(Started)), ())

    def last_step(self) -> int:
        """The step of the last report, 0 before there is one."""
        with self.store.database.connect() as db:
            found = db.execute(
                "select json_extract(body, '$.step') from events where run = ? and kind = 'Steps' order by seq desc limit 1",
                (self.run,),
            ).fetchone()
        return found[0] if found else 0

    def _read(self, kind: type) -> Iterator[StoredEvent]:
        since = 0
        while piece := self.store.log.read(self.run, since, (kind,), limit=PIECE):
            yield from piece
            since = piece[-1].seq

    def _limits(self) -> "_Limits":
        return _Limits([(item.seq, item.event) for item in self._read(Resumed)])


class _Limits:
    """How far what was told at a place in the run's order still holds: until the lowest place that a later resumption went back to."""

    def __init__(self, resumed: list[tuple[int, Resumed]]) -> None:
        self._seqs = [seq for seq, _ in resumed]
        self._lowest: list[tuple[float, float]] = [
            (float("inf"), float("inf"))
        ]  # (step, epoch), from the last resumption to the first
        for _, event in reversed(resumed):
            step, epoch = self._lowest[-1]
            self._lowest.append((min(step, event.step), min(epoch, event.epoch)))

    def step(self, seq: int) -> float:
        return self._at(seq)[0]

    def epoch(self, seq: int) -> float:
        return self._at(seq)[1]

    def _at(self, seq: int) -> tuple[float, float]:
        return self._lowest[len(self._seqs) - bisect_right(self._seqs, seq)]


def steps_of(report: Steps) -> Iterator[tuple[int, float, float]]:
    """Step, loss and accuracy of every step of a report."""
    first = report.step - len(report.loss) + 1
    return zip(range(first, report.step + 1), report.loss, report.accuracy, strict=True)


def _shortened(report: Steps, by: int) -> Steps:
    """The report without its last `by` steps."""
    return replace(report, step=report.step - by, loss=report.loss[:-by], accuracy=report.accuracy[:-by])
