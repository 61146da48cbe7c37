"""The valid events of a run: without those that were repeated after a resume from an earlier checkpoint. In: a store. Out: reports, epochs, changes.

Events are read in chunks, so a run of a million steps needs no more memory than a short one. Importing this module does not import torch.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from cnn_core.events import Changed, Epoch, Resumed, Started, Steps
from cnn_core.runs.store import Store

CHUNK_EVENTS = 500  # events read at a time
Kind = TypeVar("Kind", Steps, Epoch, Changed, Started, Resumed)


@dataclass(frozen=True)
class EventReader:
    """Reads the events of run `run` in `store`."""

    store: Store
    run: str

    def reports(self) -> Iterator[Steps]:
        """Yield every report in order, without steps that were repeated later."""
        limits = self._limits()
        for seq, report in self._read(Steps):
            beyond = report.step - limits.step(seq)
            if beyond < len(report.loss):
                yield report if beyond <= 0 else _shortened(report, int(beyond))

    def epochs(self) -> list[Epoch]:
        """Return the completed epochs in order."""
        limits = self._limits()
        return [event for seq, event in self._read(Epoch) if event.epoch <= limits.epoch(seq)]

    def changes(self) -> list[Changed]:
        """Return the changes of settings while it trained."""
        limits = self._limits()
        return [event for seq, event in self._read(Changed) if event.step <= limits.step(seq)]

    def classes(self) -> tuple[str, ...]:
        """Return the class names; empty before the run has started."""
        return next((event.classes for _, event in self._read(Started)), ())

    def last_step(self) -> int:
        """Return the step of the last report; 0 before there is one."""
        with self.store.database.connect() as db:
            row = db.execute(
                "select json_extract(body, '$.step') from events where run = ? and kind = 'Steps' order by seq desc limit 1",
                (self.run,),
            ).fetchone()
        return row[0] if row else 0

    def _read(self, kind: type[Kind]) -> Iterator[tuple[int, Kind]]:
        """Yield the stored events of one class with their sequence numbers."""
        since = 0
        while chunk := self.store.log.read(self.run, since, (kind,), limit=CHUNK_EVENTS):
            for item in chunk:
                assert isinstance(item.event, kind)
                yield item.seq, item.event
            since = chunk[-1].seq

    def _limits(self) -> "_Limits":
        return _Limits(list(self._read(Resumed)))


class _Limits:
    """The last step and epoch for which an event is valid: the earliest checkpoint from which a later resume continued."""

    def __init__(self, resumed: list[tuple[int, Resumed]]) -> None:
        self._seqs = [seq for seq, _ in resumed]
        # (step, epoch), from the last resume to the first
        self._lowest: list[tuple[float, float]] = [(float("inf"), float("inf"))]
        for _, event in reversed(resumed):
            step, epoch = self._lowest[-1]
            self._lowest.append((min(step, event.step), min(epoch, event.epoch)))

    def step(self, seq: int) -> float:
        """Return the last valid step for the event with sequence number `seq`."""
        return self._at(seq)[0]

    def epoch(self, seq: int) -> float:
        """Return the last valid epoch for the event with sequence number `seq`."""
        return self._at(seq)[1]

    def _at(self, seq: int) -> tuple[float, float]:
        return self._lowest[len(self._seqs) - bisect_right(self._seqs, seq)]


def steps_of(report: Steps) -> Iterator[tuple[int, float, float]]:
    """Return step, loss and accuracy of every step of a report."""
    first = report.step - len(report.loss) + 1
    return zip(range(first, report.step + 1), report.loss, report.accuracy, strict=True)


def _shortened(report: Steps, by: int) -> Steps:
    """Return the report without its last `by` steps."""
    return replace(report, step=report.step - by, loss=report.loss[:-by], accuracy=report.accuracy[:-by])
