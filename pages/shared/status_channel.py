"""The statuses of all runs that wait or train, as Server-Sent Events: a page whose list of runs has become outdated can be rerun.

In: the run store. Out: a message of type "statuses" at every change.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable

from starlette.concurrency import run_in_threadpool

from cnn_core.errors import StudioError
from cnn_core.runs.run import ACTIVE, Run
from cnn_core.runs.store import Store
from pages.shared.live_channel import LiveChannel

POLL_SECONDS = 1.0
# Seconds that a page waits before it is rerun because another run's status has changed, for each viewer, and the fewest: together they are rerun
# about once a second.
PAUSE_PER_VIEWER, SHORTEST_PAUSE = 1.0, 2.0


def active_statuses(runs: Iterable[Run]) -> dict[str, str]:
    """Return the status by id of the runs that wait or train."""
    return {run.id: run.status for run in runs if run.is_active}


class StatusChannel(LiveChannel):
    """The statuses of the active runs of a store, read while there are viewers."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._statuses: dict[str, str] | None = None

    def watch(self) -> AsyncGenerator[str, None]:
        """Yield a message with the statuses now, and another one after each change."""
        return self._send(self._message)

    @property
    def position(self) -> dict[str, str] | None:
        """The statuses; None before the store was read."""
        return self._statuses

    def _forget(self) -> None:
        super()._forget()
        self._statuses = None

    def _message(self) -> tuple[str, bool]:
        payload = {"active": self._statuses, "pause": max(SHORTEST_PAUSE, PAUSE_PER_VIEWER * self.viewers)}
        return f"event: statuses\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n", False

    async def _follow(self) -> None:
        while True:
            try:
                statuses = await run_in_threadpool(self._read)
            except StudioError:  # the store is busy: the next poll reads them
                pass
            else:
                if statuses != self._statuses:
                    async with self._changed:
                        self._statuses = statuses
                        self._changed.notify_all()
            await asyncio.sleep(POLL_SECONDS)

    def _read(self) -> dict[str, str]:
        where = f"where status in ({', '.join('?' * len(ACTIVE))}) and id is not null and removed is null order by number"
        return active_statuses(self._store.select(where, ACTIVE))
