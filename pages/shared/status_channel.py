"""The statuses of all runs that wait or train, as Server-Sent Events: a page whose list of runs has become outdated can be rerun.

In: the run store. Out: a message of type "statuses" at every change, encoded once for all viewers. Everything runs on the server's event loop;
only reading the store happens on a helper thread.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable

from starlette.concurrency import run_in_threadpool

from cnn_core.errors import StudioError
from cnn_core.runs.run import ACTIVE, Run
from cnn_core.runs.store import Store

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15  # without a message, after which a comment shows that the connection is open
# Seconds that a page waits before it is rerun because another run's status has changed, for each viewer, and the fewest: together they are rerun
# about once a second.
PAUSE_PER_VIEWER, SHORTEST_PAUSE = 1.0, 2.0


def active_statuses(runs: Iterable[Run]) -> dict[str, str]:
    """Return the status by id of the runs that wait or train."""
    return {run.id: run.status for run in runs if run.is_active}


class StatusChannel:
    """The statuses of the active runs of a store, read while there are viewers."""

    def __init__(self, store: Store) -> None:
        self.viewers = 0
        self._store = store
        self._statuses: dict[str, str] | None = None
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._is_closed = False

    async def watch(self) -> AsyncGenerator[str, None]:
        """Yield a message with the statuses now, and another one after each change."""
        self.viewers += 1
        self._reader = self._reader or asyncio.create_task(self._follow())
        sent: dict[str, str] | None = None
        try:
            while True:
                async with self._changed:
                    news = self._changed.wait_for(lambda: self._is_closed or self._statuses not in (None, sent))  # noqa: B023
                    try:
                        await asyncio.wait_for(news, HEARTBEAT_SECONDS)
                    except TimeoutError:
                        yield ": heartbeat\n\n"
                        continue
                if self._is_closed:
                    return
                sent = self._statuses
                payload = {"active": sent, "pause": max(SHORTEST_PAUSE, PAUSE_PER_VIEWER * self.viewers)}
                yield f"event: statuses\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n"
        finally:
            self.viewers -= 1
            if not self.viewers and self._reader:
                self._reader.cancel()
                self._reader = self._statuses = None  # the next viewer starts another

    async def close(self) -> None:
        """End every viewer's messages."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

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
