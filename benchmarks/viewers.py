"""Measure the training speed with five live viewers and without, alternating within one run. `python -m benchmarks.viewers`

A viewer is a protocol client, so that drawing in a browser costs nothing: a Streamlit session on a WebSocket that has run
the Train page, and the event stream of the page's chart. The viewers run in another process.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from benchmarks.dashboard import dashboard
from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.events import Steps
from cnn_core.runs.store import Store

VIEWERS, PAIRS, WINDOW_SECONDS, SETTLE_SECONDS = 5, 10, 8.0, 2.0
MAX_MESSAGE_BYTES = 2**24


def main() -> None:
    with dashboard() as served:
        run = served.store.create(make_config(data="digits", epochs=1000, batch_size=64))
        while not served.store.log.read(run, since=20):
            time.sleep(0.2)
        without, watched_speeds, message_count = [], [], 0
        for _ in range(PAIRS):
            without.append(_measure(served.store, run, served.url, 0)[0])
            speed, count = _measure(served.store, run, served.url, VIEWERS)
            watched_speeds.append(speed)
            message_count += count
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
    ratios = [one / other for one, other in zip(watched_speeds, without, strict=True)]
    ratio = f"median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, n = {PAIRS} pairs of {WINDOW_SECONDS:.0f} s)"
    speeds = f"{statistics.median(watched_speeds):,.0f} and {statistics.median(without):,.0f} images/s; {message_count:,} messages received"
    print_table(
        f"Training speed with {VIEWERS} viewers / without",
        [("ratio of images/s", "≥ 0.95", ratio), ("median speeds with viewers, without", "", speeds)],
    )


def _measure(store: Store, run: str, url: str, viewers: int) -> tuple[float, int]:
    """Return the images per second of the training over one window with `viewers` viewers, and the number of messages they received."""
    with watched(url, run, viewers) as count:
        time.sleep(SETTLE_SECONDS)
        start = time.time()
        time.sleep(WINDOW_SECONDS)
        end = time.time()
    return training_speed(store, run, start, end), count.value


def training_speed(store: Store, run: str, start: float, end: float) -> float:
    """Return the images per second of training time between two Unix times."""
    events = (item.event for item in store.log.read(run, kinds=(Steps,)))
    reports = [event for event in events if isinstance(event, Steps) and start <= event.at <= end]
    return (reports[-1].images - reports[0].images) / (reports[-1].train_seconds - reports[0].train_seconds)


@contextmanager
def watched(url: str, run: str, viewers: int) -> Iterator[Any]:
    """Let `viewers` viewers watch `run` within the block; yield the shared counter of the messages they received."""
    context = multiprocessing.get_context("spawn")
    ready, done, count = context.Event(), context.Event(), context.Value("i", 0)
    process = context.Process(target=_watch, args=(url, run, viewers, ready, done, count))
    if viewers:
        process.start()
        ready.wait(60)
    yield count
    if viewers:
        done.set()
        process.join(30)


def _watch(url: str, run: str, viewers: int, ready: Event, done: Event, count: Any) -> None:
    """Watch `run` until `done`: the viewers' process."""
    asyncio.run(_watch_all(url, run, viewers, ready, done, count))


async def _watch_all(url: str, run: str, viewers: int, ready: Event, done: Event, count: Any) -> None:
    tasks = [asyncio.create_task(client) for _ in range(viewers) for client in (_session(url, run), _stream(url, run, count))]
    await asyncio.sleep(3)
    for task in tasks:
        if task.done():
            task.result()  # raises the error that ended it: a viewer without a connection must not be counted
    ready.set()
    while not done.is_set():
        await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()


async def _session(url: str, run: str) -> None:
    """Run the Train page in a Streamlit session and keep it open."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    message = BackMsg()
    message.rerun_script.query_string = f"run={run}"
    message.rerun_script.page_name = "train"
    async with connect_session(url) as socket:
        await socket.send(message.SerializeToString())
        async for _ in socket:
            pass


def connect_session(url: str) -> connect:
    """Return the connection to a new Streamlit session of the dashboard at `url`, an asynchronous context manager."""
    address = f"{url.replace('http', 'ws')}/_stcore/stream"
    return connect(address, origin=Origin(url), subprotocols=[Subprotocol("streamlit")], max_size=None)


async def _stream(url: str, run: str, count: Any) -> None:
    """Read the event stream of the page's chart and count its messages."""
    async for _ in messages(url, run):
        with count.get_lock():
            count.value += 1
    raise RuntimeError("The event stream ended early.")


async def messages(url: str, run: str) -> AsyncIterator[bytes]:
    """Yield the messages of the event stream of `run` as JSON."""
    address = urlsplit(f"{url}/api/runs/{run}/events")
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=MAX_MESSAGE_BYTES)
    writer.write(f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:")


if __name__ == "__main__":
    main()
