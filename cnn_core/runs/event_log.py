"""The event log: what happened in each run, in order. The process that trains a run appends events; all others read them.

In: events of one run. Out: the same with their sequence numbers, from any number on. Importing this module does not import torch.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from cnn_core.events import Event, TrackedPredictions
from cnn_core.runs.database import RunDatabase

# The index is named because SQLite would not choose it; nearly all events of a long run are of kind Steps.
RARE = "events indexed by rare where kind != 'Steps'"
END_OF_EPOCH = f"(select max(seq) from {RARE} and run = ? and kind = 'Epoch' and json_extract(body, '$.epoch') = ?)"
REPLACE_IN_EVENTS = (  # json_replace leaves a body without the value unchanged
    "update events indexed by rare set body = json_replace(body, ?, ?) where kind != 'Steps' and run = ? and kind = ?"
)
# Renamed event classes are stored under the kind of earlier versions.
STORED_KINDS: dict[type, str] = {TrackedPredictions: "Probed"}
EVENT_TYPES = {STORED_KINDS.get(event_type, event_type.__name__): event_type for event_type in get_args(Event)}


@dataclass(frozen=True)
class StoredEvent:
    """An event with its sequence number in its run; the first has seq 1."""

    seq: int
    event: Event


class EventLog:
    """The events of all runs of a studio home."""

    def __init__(self, database: RunDatabase) -> None:
        self._database = database

    def append(self, run: str, events: Iterable[Event]) -> None:
        """Add events after the run's last one, all or none. Only the process that trains the run may call this."""
        with self._database.connect() as db:
            last = db.execute("select coalesce(max(seq), 0) from events where run = ?", (run,)).fetchone()[0]
            rows = [(run, seq, event_kind(type(event)), json.dumps(asdict(event))) for seq, event in enumerate(events, last + 1)]
            db.executemany("insert into events values (?, ?, ?, ?)", rows)

    def read(self, run: str, since: int = 0, kinds: Iterable[type] = (), limit: int = -1) -> list[StoredEvent]:
        """Return the run's events after `since`, in order: all kinds or some event classes; at most `limit`, -1 for all.

        Kinds of event that only a later version knows are left out.
        """
        names = [event_kind(kind) for kind in kinds]
        some = f"and kind in ({', '.join('?' * len(names))})" if names else ""
        source = f"{RARE} and" if names and "Steps" not in names else "events where"
        with self._database.connect() as db:
            rows = db.execute(
                f"select seq, kind, body from {source} run = ? and seq > ? {some} order by seq limit ?",
                (run, since, *names, limit),
            ).fetchall()
        return [StoredEvent(seq, to_event(kind, json.loads(body))) for seq, kind, body in rows if kind in EVENT_TYPES]

    def copy(self, source: str, run: str, epoch: int, *, epochs: int) -> None:
        """Copy the events of run `source` up to the end of `epoch` to the new run `run`, whose events name the number of epochs of this run,
        `epochs`: a change of it in `source` has no effect on `run`."""
        with self._database.connect() as db:
            db.execute(
                f"insert into events select ?, seq, kind, body from events where run = ? and seq <= {END_OF_EPOCH}",
                (run, source, source, epoch),
            )
            for kind, path in (("Started", "$.epochs"), ("Changed", "$.settings.epochs")):
                db.execute(REPLACE_IN_EVENTS, (path, epochs, run, kind))

    def changed_settings(self, run: str, epoch: int | None = None, since: int | None = None) -> dict[str, Any]:
        """Return the settings that were changed while the run trained, until now or until the end of `epoch`.

        since: the epoch after which the run was branched; what was changed before is in the settings with which the branch began.
        """
        where, values = "", list[str | int]((run,))
        for limit, end in (("<=", epoch), (">", since)):
            if end is not None:
                where, values = f"{where} and seq {limit} {END_OF_EPOCH}", [*values, run, end]
        with self._database.connect() as db:
            rows = db.execute(f"select body from {RARE} and run = ? and kind = 'Changed' {where} order by seq", values)
            return {name: value for (body,) in rows for name, value in json.loads(body)["settings"].items()}


def event_kind(event_type: type) -> str:
    """Return the name under which events of a class are stored."""
    return STORED_KINDS.get(event_type, event_type.__name__)


def to_event(kind: str, body: dict[str, Any]) -> Event:
    """Return the event of the stored `kind` with the fields in `body`, as JSON gives them, without fields that only a later version knows."""
    event_type, values = EVENT_TYPES[kind], {name: _to_tuples(value) for name, value in body.items()}
    try:
        event: Event = event_type(**values)
    except TypeError:
        event = event_type(**{field.name: values[field.name] for field in fields(event_type) if field.name in values})
    return event


def _to_tuples(value: Any) -> Any:
    """Return lists within lists as tuples within tuples, as events hold them."""
    return tuple(map(_to_tuples, value)) if isinstance(value, list) else value
