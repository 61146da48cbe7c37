"""Requests to a run that trains. Any process adds them; the process that trains the run takes them at its next report.

In: a run and a kind (stop, pause, continue, save, change). Out: the requests, each taken once. Importing this module does not import torch.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Literal

from cnn_core.runs.database import RunDatabase

RequestKind = Literal["pause", "continue", "save", "change"]


@dataclass(frozen=True)
class Request:
    """A request to a run that trains. `body`: for a change the settings by name."""

    kind: RequestKind
    body: dict[str, Any]


class RequestBox:
    """The requests to all runs of a studio home."""

    def __init__(self, database: RunDatabase) -> None:
        self._database = database

    def add(self, run: str, kind: RequestKind, **body: Any) -> None:
        """Add a request to a run that trains."""
        with self._database.connect() as db:
            values = (run, kind, time.time(), json.dumps(body))
            db.execute("insert into requests (run, kind, created, body) values (?, ?, ?, ?)", values)

    def take(self, run: str) -> list[Request]:
        """Return and delete the requests to the run, in order, except those to stop. Only the process that trains the run may call this."""
        with self._database.connect() as db:
            rows = db.execute("delete from requests where run = ? and kind != 'stop' returning id, kind, body", (run,)).fetchall()
        return [Request(kind, json.loads(body)) for _, kind, body in sorted(rows)]

    def stop(self, run: str) -> None:
        """Request that a run stops: a waiting run leaves the queue, a running one is stopped by the process that trains it."""
        with self._database.connect() as db:
            waiting = db.execute("update runs set status = 'stopped' where id = ? and status = 'queued'", (run,)).rowcount
            if not waiting:
                db.execute("insert into requests (run, kind, created) values (?, 'stop', ?)", (run, time.time()))

    def will_change(self, run: str) -> bool:
        """Whether a stop or a change of settings was requested that the run has not carried out."""
        with self._database.connect() as db:
            query = "select 1 from requests where run = ? and kind in ('stop', 'change')"
            return db.execute(query, (run,)).fetchone() is not None

    def should_stop(self, run: str) -> bool:
        """Whether a stop of the run was requested."""
        with self._database.connect() as db:
            return db.execute("select 1 from requests where run = ? and kind = 'stop'", (run,)).fetchone() is not None
