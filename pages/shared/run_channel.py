"""The live channel of a run: new events from the run store as Server-Sent Events, each encoded once for all viewers.

    run store --(one reader for each watched run)--> Channel --(messages)--> the connections of stream.py

A message's id is the position that it reaches ("events.steps.epochs"). A browser that lost its connection sends the id back and gets the
events after it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.concurrency import run_in_threadpool

from cnn_core.errors import StudioError
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import UPDATE_POINTS, History, HistoryPosition
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.runs.waiting import WaitingLine
from pages.shared.live_channel import LiveChannel
from pages.shared.status_channel import StatusChannel

POLL_SECONDS = 0.2
# The store is read less often for many viewers: each of them gets a message, which takes time from the training beside it.
POLL_SECONDS_PER_VIEWER, LONGEST_POLL_SECONDS = 0.02, 1.0
RETRY_SECONDS = 1.0
BRANCHED = "branched from {parent} after epoch {epoch}"
LARGEST_GAP = 4 * UPDATE_POINTS  # steps; a larger gap is filled by a snapshot, which is finer than one decimated update


class Channel(LiveChannel):
    """The history of one run, read from the store while it has viewers. A run that is resumed after its channel has ended needs a new one."""

    def __init__(self, store: Store, run_id: str, line: WaitingLine | None = None) -> None:
        super().__init__()
        self._line, self._wait = line or WaitingLine(store), ""
        self._store, self._run_id = store, run_id
        self._history = History()
        self._run: Run | None = None
        self._messages: dict[tuple[HistoryPosition | None, int, str], str] = {}

    def watch(self, since: HistoryPosition | None) -> AsyncGenerator[str, None]:
        """Yield the messages for one viewer: the events after `since`, then new ones, until the run has ended."""

        def next_message() -> tuple[str, bool]:
            nonlocal since
            assert self._run, "a position is known once the run was read"
            message, since = self._message(self._run, since), self._history.position()
            return message, not self._run.is_active

        return self._send(next_message)

    @property
    def position(self) -> tuple[int, str, str] | None:
        """The number of the last event, the run's status, and what it waits for; None before the store was read."""
        return (self._history.seq, self._run.status, self._wait) if self._run else None

    async def _follow(self) -> None:
        while True:
            try:
                run = await self._poll()
            except StudioError:  # the store is busy or its disk is full: the next poll reads these events
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not run.is_active:
                return
            await asyncio.sleep(min(LONGEST_POLL_SECONDS, max(POLL_SECONDS, POLL_SECONDS_PER_VIEWER * self.viewers)))

    async def _poll(self) -> Run:
        run, history, events, wait = await run_in_threadpool(self._read)
        if events or run != self._run or wait != self._wait:
            async with self._changed:
                history.add(events)
                self._run, self._history, self._wait = run, history, wait
                self._messages.clear()
                self._changed.notify_all()
        return run

    def _read(self) -> tuple[Run, History, list[StoredEvent], str]:
        # The status is read before the events, so that the last events of an ended run are among them.
        run, history = self._store.run(self._run_id), self._history
        if run.parent and not run.is_active and not self._store.has_begun(run.id):  # all of its events are of its parent
            return run, history, [], ""
        if self._run is None:
            history = read_history(self._store, self._run_id)
            history.drop_steps()
        wait = self._line.describe(run.id) if run.status == "queued" else ""
        return run, history, self._store.log.read(self._run_id, history.seq), wait

    def _message(self, run: Run, since: HistoryPosition | None) -> str:
        """Return the message that brings a viewer from `since` to now."""
        key = (since, self._history.seq, run.status)
        if key not in self._messages:
            self._messages[key] = encode(self._history, run, since, self._wait)
        return self._messages[key]


class Channels:
    """The channels of the watched runs, one for each run. A channel is removed with its last viewer."""

    def __init__(self) -> None:
        self._by_run: dict[str, Channel] = {}
        self._lines: dict[Store, WaitingLine] = {}
        self._statuses: dict[Store, StatusChannel] = {}

    async def watch(self, store: Store, run_id: str, since: HistoryPosition | None) -> AsyncGenerator[str, None]:
        """Return the messages of a run. Raises StudioError where there is no such run, before the first message."""
        await run_in_threadpool(store.run, run_id)
        channel = self._by_run.get(run_id)
        if channel is None or channel.has_ended:
            line = self._lines.setdefault(store, WaitingLine(store))
            channel = self._by_run[run_id] = Channel(store, run_id, line)
        return self._messages(run_id, channel, since)

    def watch_statuses(self, store: Store) -> AsyncGenerator[str, None]:
        """Return the messages about the statuses of all active runs."""
        return self._statuses.setdefault(store, StatusChannel(store)).watch()

    @property
    def viewers(self) -> dict[str, int]:
        """The number of viewers of each watched run."""
        return {run_id: channel.viewers for run_id, channel in list(self._by_run.items())}

    async def close(self) -> None:
        """End all messages."""
        channels: list[LiveChannel] = [*self._by_run.values(), *self._statuses.values()]
        for channel in channels:
            await channel.close()

    async def _messages(self, run_id: str, channel: Channel, since: HistoryPosition | None) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(channel.watch(since)) as messages:  # closed before the viewers are counted
                async for message in messages:
                    yield message
        finally:
            if not channel.viewers and self._by_run.get(run_id) is channel:
                del self._by_run[run_id]


def encode(history: History, run: Run, since: HistoryPosition | None, wait: str = "") -> str:
    """Return one Server-Sent Event: a snapshot where `since` is None or too far back, else the update since then. wait: what a waiting run waits for."""
    mark = history.position()
    has_gap = since is not None and (
        since.seq > mark.seq or since.seq < history.resumed or mark.steps - since.steps > LARGEST_GAP
    )
    payload = history.snapshot() if since is None or has_gap else history.update(since)
    payload |= {"status": run.status, "error": run.error, "active": run.is_active, "notes": history.notes, "wait": wait}
    payload |= {"branch": branch_mark(history, run)}
    return f"id: {mark.seq}.{mark.steps}.{mark.epochs}\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n"


def branch_mark(history: History, run: Run) -> dict[str, Any] | None:
    """Return step and text of the point at which the run was branched from its parent; None for a run without one."""
    step = next((epoch.step for epoch in history.epochs if epoch.epoch == run.parent_epoch), None)
    return {"step": step, "text": BRANCHED.format(parent=run.parent, epoch=run.parent_epoch)} if run.parent and step else None


def parse_position(text: str | None) -> HistoryPosition | None:
    """Return a message id as a HistoryPosition; None for anything that is not one."""
    try:
        seq, steps, epochs = (int(number) for number in (text or "").split("."))
    except ValueError:
        return None
    return HistoryPosition(seq, steps, epochs) if min(seq, steps, epochs) >= 0 else None
