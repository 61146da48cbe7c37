"""The queue of runs that wait to be trained.

In: runs of a studio home. Out: their order, in which people take turns and short runs come before long ones. Importing this module does not
import torch.
"""

import time
from collections.abc import Callable

from cnn_core.errors import RunError
from cnn_core.runs.database import RunDatabase
from cnn_core.runs.quota import Quota
from cnn_core.runs.run import RESUMABLE, STATUS_WORDS, read_run

WAITING = "status = 'queued' and id is not null"
ORDER = "coalesce(place, number), number"
# Multiply-adds of a training. On two cores, a run below the first takes about a minute at most, and one below the second about ten.
SHORT, MEDIUM = 2e12, 2e13
OVERDUE_SECONDS = 300  # after so long, a waiting run comes before shorter ones, so that no stream of short runs holds it up
# The first waiting run of every person comes before the second of any person, and so on. Within each round, those that have waited long come first,
# then the short ones, then the medium and the long ones. Among equals, the person whose last run started longest ago comes first. Runs of earlier
# versions, whose work is not known, count as medium.
SIZE = (
    f"case when waiting_since < :overdue then 0 when work < {SHORT} then 1 when work is null or work < {MEDIUM} then 2 else 3 end"
)
WAITING_IN_TURN = (
    f"select id from (select id, owner, place, number, {SIZE} as size,"
    f" row_number() over (partition by owner order by {ORDER}) as turn from runs where {WAITING})"
    " left join (select owner, max(started) as served from runs group by owner) using (owner)"
    f" order by turn, size, coalesce(served, 0), {ORDER}"
)

NOT_RESUMABLE = "Run {run} is {status}. Only a run that was stopped, was interrupted or has failed can be resumed."


class RunQueue:
    """The waiting runs of a studio home."""

    def __init__(self, database: RunDatabase, quota: Quota) -> None:
        self._database, self._quota = database, quota

    def waiting(self) -> list[str]:
        """Return the queued runs, in the order in which they will be trained."""
        with self._database.connect() as db:
            return [row[0] for row in db.execute(WAITING_IN_TURN, {"overdue": time.time() - OVERDUE_SECONDS})]

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
            raise RunError(NOT_RESUMABLE.format(run=run, status=STATUS_WORDS[row.status]))
        self._quota.check(row.owner, will_wait=True)
        prepare()
        with self._database.connect() as db:
            db.execute("delete from requests where run = ?", (run,))
            db.execute("update runs set status = 'queued', error = '', waiting_since = ? where id = ?", (time.time(), run))
