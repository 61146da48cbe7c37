"""The event stream: routes that send new points of runs to the pages, without any rerun, and the chart library.

A browser opens about six connections to a host, so a page has one stream, of one run or of several.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from types import FrameType

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cnn_core.errors import StudioError
from pages.shared.run_channel import Channels, parse_position
from pages.shared.server import get_store

MOST_TOGETHER = 12  # runs in one stream: more curves are hard to distinguish
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

channels = Channels()


async def send_run(request: Request) -> Response:
    """GET /api/runs/{run}/events: the stream of one run. `?since=` or the header Last-Event-ID is the id of the last message that arrived.

    With `?statuses=1` it does not end with the run, and there are also messages of type "statuses" about all runs that wait or train.
    """
    since = parse_position(request.headers.get("last-event-id") or request.query_params.get("since"))
    try:
        messages = await channels.watch(get_store(), request.path_params["run"], since)
        if request.query_params.get("statuses"):
            return _stream(_merge([messages, channels.watch_statuses(get_store())]))
        return _stream(messages)
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_code=404)


async def send_runs(request: Request) -> Response:
    """GET /api/events?run=…&run=…: the streams of up to MOST_TOGETHER runs as one. Each message's event type is its run's id.

    After a broken connection everything is sent again.
    """
    runs = dict.fromkeys(request.query_params.getlist("run"))
    if not 0 < len(runs) <= MOST_TOGETHER:
        return JSONResponse({"error": f"The request must name 1 to {MOST_TOGETHER} runs."}, status_code=400)
    try:
        return _stream(_merge([_with_type(run, await channels.watch(get_store(), run, None)) for run in runs]))
    except StudioError as error:
        return JSONResponse({"error": str(error)}, status_code=404)


async def send_plotly(request: Request) -> Response:
    """GET /api/plotly.min.js: the chart library from the plotly package, so that the browser needs no other host."""
    return FileResponse(PLOTLY_JS, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})


routes = [
    Route("/api/runs/{run}/events", send_run),
    Route("/api/events", send_runs),
    Route("/api/plotly.min.js", send_plotly),
]


def _stream(messages: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(messages, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _with_type(run: str, messages: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Yield the messages with the run's id as their event type."""
    async with aclosing(messages):
        async for message in messages:
            yield f"event: {run}\n{message}"


async def _merge(streams: Sequence[AsyncGenerator[str, None]]) -> AsyncIterator[str]:
    """Yield the messages of several streams as they come, until the last of them ends."""
    arrived: asyncio.Queue[str | None] = asyncio.Queue(maxsize=len(streams))

    async def forward(messages: AsyncGenerator[str, None]) -> None:
        try:
            async with aclosing(messages):
                async for message in messages:
                    await arrived.put(message)
        except (asyncio.CancelledError, GeneratorExit):  # the viewer has left, so nobody waits for the end
            raise
        except Exception:
            await arrived.put(None)
            raise
        await arrived.put(None)

    tasks = [asyncio.create_task(forward(messages)) for messages in streams]
    try:
        open_streams = len(tasks)
        while open_streams:
            message = await arrived.get()
            if message is None:
                open_streams -= 1
            else:
                yield message
    finally:
        for task in tasks:
            task.cancel()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM also end all streams: a server that waits for its connections to close would wait for ever.

    Enter it on the server's event loop, in the main thread, after the server has set its own handlers.
    """
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(asyncio.ensure_future, channels.close())
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in previous:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
