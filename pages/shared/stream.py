"""The live stream: new points of a run from the store to every page that watches it, as Server-Sent Events, without any rerun.

    store --(one tail per watched run)--> Channel --(payloads, encoded once for all viewers)--> pages

A message's id names the place reached ("events.steps.epochs"); a browser that lost its connection sends it back as Last-Event-ID and
gets what it missed. All of this runs on the server's event loop; only reading the store happens on a helper thread.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from types import FrameType

import plotly
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cnn_core.errors import StudioError
from cnn_core.runs.digest import read_history
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import UPDATE_POINTS, History, Mark
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from pages.shared.server import get_store

POLL_SECONDS = 0.2
# A look is told to all: among many viewers it is made more rarely, for what they are sent takes time from the training beside it.
POLL_SECONDS_A_VIEWER, MOST_POLL_SECONDS = 0.02, 1.0
SETBACK_SECONDS = 1.0
MOST_TOGETHER = 12  # runs in one stream: more lines can hardly be told apart
SILENCE_SECONDS = 15  # after which a comment shows that the connection lives
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
# A gap of more steps than this is filled by a fresh snapshot, which is finer than one decimated update.
LARGEST_GAP = 4 * UPDATE_POINTS


class Channel:
    """One run as all its viewers see it: its history, read once from the store while anybody watches."""

    def __init__(self, store: Store, run: str) -> None:
        self.viewers = 0
        self._store, self._run = store, run
        self._history, self._row = History(), None
        self._changed = asyncio.Condition()
        self._encoded: dict[tuple[Mark | None, int, str], str] = {}
        self._tail: asyncio.Task[None] | None = None
        self._is_closed = False

    async def watch(self, since: Mark | None) -> AsyncIterator[str]:
        """Messages for one viewer: what it lacks, then whatever comes, until the run has ended and all of it was sent."""
        self.viewers += 1
        if self._tail is None:
            self._tail = asyncio.create_task(self._follow())
        try:
            sent: tuple[int, str] | None = None
            while True:
                async with self._changed:
                    ready = self._changed.wait_for(lambda: self._is_closed or (self._row and self._place() != sent))  # noqa: B023
                    try:
                        await asyncio.wait_for(ready, SILENCE_SECONDS)
                    except TimeoutError:
                        yield ": still here\n\n"
                        continue
                if self._is_closed:
                    return
                # All of it before the message travels: the channel reads on meanwhile.
                message, is_last = self._message(since), not self._row.is_active
                since, sent = self._history.mark(), self._place()
                yield message
                if is_last:
                    return
        finally:
            self.viewers -= 1
            if not self.viewers and self._tail and not self.has_ended:
                self._tail.cancel()
                self._tail = None  # whoever comes next starts another

    @property
    def has_ended(self) -> bool:
        """Whether it reads no more: the run has ended. A run that goes on afterwards needs a new one."""
        return self._tail is not None and self._tail.done()

    async def close(self) -> None:
        """End every viewer's stream."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except StudioError:  # the store is busy or its disk full: what is missed now is read at the next look
                await asyncio.sleep(SETBACK_SECONDS)
                continue
            if not self._row.is_active:
                return
            await asyncio.sleep(min(MOST_POLL_SECONDS, max(POLL_SECONDS, POLL_SECONDS_A_VIEWER * self.viewers)))

    async def _look(self) -> None:
        row, history, new = await run_in_threadpool(self._read)
        if new or row != self._row:
            async with self._changed:
                history.add(new)
                self._row, self._history = row, history
                self._encoded.clear()
                self._changed.notify_all()

    def _read(self) -> tuple[Run, History, list[StoredEvent]]:
        # The status is read before the events: an ended run's last events are then certainly among them.
        row, history = self._store.run(self._run), self._history
        if self._row is None:
            history = read_history(self._store, self._run)
            history.drop_steps()
        return row, history, self._store.log.read(self._run, history.seq)

    def _place(self) -> tuple[int, str]:
        return self._history.seq, self._row.status

    def _message(self, since: Mark | None) -> str:
        """The message that brings a viewer from `since` to now; encoded once, however many viewers are there."""
        key = (since, *self._place())
        if key not in self._encoded:
            self._encoded[key] = encode(self._history, self._row, since)
        return self._encoded[key]


def encode(history: History, row: Run, since: Mark | None) -> str:
    """One Server-Sent Event: a snapshot where `since` is None or too far back, else the update since then."""
    mark = history.mark()
    has_gap = since is not None and (
        since.seq > mark.seq or since.seq < history.resumed or mark.steps - since.steps > LARGEST_GAP
    )
    payload = history.snapshot() if since is None or has_gap else history.update(since)
    payload |= {"status": row.status, "error": row.error, "active": row.is_active, "notes": history.notes}
    return f"id: {mark.seq}.{mark.steps}.{mark.epochs}\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n"


def parse_mark(text: str | None) -> Mark | None:
    """A message id as a Mark; None for anything that is not one."""
    try:
        seq, steps, epochs = (int(part) for part in (text or "").split("."))
    except ValueError:
        return None
    return Mark(seq, steps, epochs) if min(seq, steps, epochs) >= 0 else None


_channels: dict[str, Channel] = {}


async def events(request: Request) -> Response:
    """GET /api/runs/{run}/events: the run's stream. `?since=` or the header Last-Event-ID says what is known already."""
    run = request.path_params["run"]
    try:
        channel = await _channel(run)
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_code=404)
    since = parse_mark(request.headers.get("last-event-id") or request.query_params.get("since"))
    return _stream(_until_left(run, channel, since))


async def events_of_several(request: Request) -> Response:
    """GET /api/events?run=…&run=…: the streams of up to MOST_TOGETHER runs as one, each message's event type being its run's id.

    Whoever connects again is sent everything anew.
    """
    runs = dict.fromkeys(request.query_params.getlist("run"))
    if not 0 < len(runs) <= MOST_TOGETHER:
        return JSONResponse({"error": f"Name 1 to {MOST_TOGETHER} runs."}, status_code=400)
    try:
        streams = {run: _until_left(run, await _channel(run), None) for run in runs}
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_code=404)
    return _stream(_merged(streams))


async def _channel(run: str) -> Channel:
    """The channel of run `run`, one for all that come, also for those who come at the same moment and do not watch yet. Raises StudioError."""
    store = get_store()
    await run_in_threadpool(store.run, run)
    channel = _channels.get(run)
    if channel is None or channel.has_ended:
        channel = _channels[run] = Channel(store, run)
    return channel


def _stream(messages: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(messages, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _merged(streams: dict[str, AsyncIterator[str]]) -> AsyncIterator[str]:
    """The messages of several runs as they come; ends with the last of them."""
    arrived: asyncio.Queue[str | None] = asyncio.Queue(maxsize=len(streams))

    async def hand_on(run: str, messages: AsyncIterator[str]) -> None:
        try:
            async for message in messages:
                await arrived.put(f"event: {run}\n{message}")
        finally:
            await arrived.put(None)

    tasks = [asyncio.create_task(hand_on(run, messages)) for run, messages in streams.items()]
    try:
        left = len(tasks)
        while left:
            message = await arrived.get()
            if message is None:
                left -= 1
            else:
                yield message
    finally:
        for task in tasks:
            task.cancel()


async def _until_left(run: str, channel: Channel, since: Mark | None) -> AsyncIterator[str]:
    try:
        async with aclosing(channel.watch(since)) as messages:  # closed before it is asked whether anybody is left
            async for message in messages:
                yield message
    finally:
        if not channel.viewers and _channels.get(run) is channel:
            del _channels[run]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """In the block, SIGINT and SIGTERM also end all streams: a server that waits for its connections would wait for them forever.

    To be entered on the server's event loop, in the main thread, after the server has set its own handlers.
    """
    loop, previous = asyncio.get_running_loop(), {}

    def end(number: int, frame: FrameType | None) -> None:
        for channel in list(_channels.values()):
            loop.call_soon_threadsafe(asyncio.ensure_future, channel.close())
        previous[number](number, frame)

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


async def plotly_js(request: Request) -> Response:
    """GET /api/plotly.min.js: the chart library that the plotly package carries, so that no other host is asked."""
    return FileResponse(PLOTLY_JS, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})


routes = [
    Route("/api/runs/{run}/events", events),
    Route("/api/events", events_of_several),
    Route("/api/plotly.min.js", plotly_js),
]
