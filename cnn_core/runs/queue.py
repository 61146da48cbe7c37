"""The queue of runs that wait to be trained.

In: runs of a studio home. Out: their order, in which people take turns. Importing this module does not import torch.
"""

import time
from collections.abc import Callable

from cnn_core.errors import RunError
from cnn_core.runs.database import RunDatabase
from cnn_core.runs.quota import Quota
from cnn_core.runs.run import RESUMABLE, read_run

WAITING = "status = 'queued' and id is not null"
ORDER = "coalesce(place, number), number"
# The first waiting run of every person comes before the second of any person, and so on. Within each round, the person whose last run
# started longest ago comes first.
WAITING_IN_TURN = (
    f"select id from (select id, owner, place, number, row_number() over (partition by owner order by {ORDER}) as turn from runs where {WAITING})"
    " left join (select owner, max(started) as served from runs group by owner) using (owner)"
    f" order by turn, coalesce(served, 0), {ORDER}"
)

NOT_RESUMABLE = "Run {run} is {status}. Only a run that was stopped, was interrupted or has failed can be resumed."


class RunQueue:
    """The waiting runs of a studio home."""

    def __init__(self, database: RunDatabase, quota: Quota) -> None:
        self._database, self._quota = database, quota

    def waiting(self) -> list[str]:
        """Return the queued runs, in the order in which they will be trained."""
        with self._database.connect() as db:
            return [row[0] for row in db.execute(WAITING_IN_TURN)]

    def start(self, run: str) -> bool:
        """Turn a queued run into a running one; False when it no longer waits. The caller holds the run's lock."""
        with self._database.connect() as db:
            query = "update runs set status = 'running', started = ? where id = ? and status = 'queued'"
            return db.execute(query, (time.time(), run)).rowcount == 1

    def resume(self, run: str, prepare: Callable[[], object] = lambda: None) -> None:
        """Put a run that ended before it was completed back into the queue. Raises RunError for one that trains, waits, or is finished.

        `prepare` is called before another process can take the run.
        """
        row = read_run(self._database, run)
        if row.status not in RESUMABLE:
            raise RunError(NOT_RESUMABLE.format(run=run, status=row.status))
        self._quota.check(row.owner, will_wait=True)
        prepare()
        with self._database.connect() as db:
            db.execute("delete from requests where run = ?", (run,))
            db.execute("update runs set status = 'queued', error = '' where id = ?", (run,))
