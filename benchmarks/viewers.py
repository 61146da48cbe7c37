"""Training speed with five live viewers against none, alternating within one run. `python -m benchmarks.viewers`

A viewer is what a browser is to the server, without a browser's own work: a Streamlit session on its websocket that has run
the Train page, and the event stream that the page's chart opens. The viewers live in a process of their own.
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

from benchmarks.dashboard import dashboard
from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.events import Steps
from cnn_core.runs.store import Store

VIEWERS, PAIRS, WINDOW, SETTLE = 5, 10, 8.0, 2.0
LONGEST = 2**24  # bytes of one message


def main() -> None:
    with dashboard() as served:
        run = served.store.create(make_config(data="digits", epochs=1000, batch_size=64))
        while not served.store.log.read(run, since=20):
            time.sleep(0.2)
        ratios, speeds, messages = [], {False: [], True: []}, 0
        for _ in range(PAIRS):
            pair = {}
            for is_watched in (False, True):
                pair[is_watched], seen = _measure(served.store, run, served.url, is_watched)
                speeds[is_watched].append(pair[is_watched])
                messages += seen
            ratios.append(pair[True] / pair[False])
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
    measured = f"median {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f}, n = {PAIRS} pairs of {WINDOW:.0f} s)"
    pace = f"{statistics.median(speeds[True]):,.0f} against {statistics.median(speeds[False]):,.0f} images/s; {messages:,} messages received"
    print_table(
        f"Training speed with {VIEWERS} viewers / with none",
        [("ratio of images/s", "≥ 0.95", measured), ("median speeds", "", pace)],
    )


def _measure(store: Store, run: str, url: str, viewers: bool) -> tuple[float, int]:
    """Images per second of training over one window, with or without the viewers, and the messages they got."""
    with watched(url, run, VIEWERS if viewers else 0) as count:
        time.sleep(SETTLE)
        begin = time.time()
        time.sleep(WINDOW)
        end = time.time()
    return pace(store, run, begin, end), count.value


def pace(store: Store, run: str, begin: float, end: float) -> float:
    """Images per second of training alone between two Unix times."""
    reports = [item.event for item in store.log.read(run, kinds=(Steps,)) if begin <= item.event.at <= end]
    return (reports[-1].images - reports[0].images) / (reports[-1].train_seconds - reports[0].train_seconds)


@contextmanager
def watched(url: str, run: str, viewers: int) -> Iterator[Any]:
    """In the block, so many viewers watch `run`; gives the shared count of messages they got."""
    context = multiprocessing.get_context("spawn")
    ready, done, count = context.Event(), context.Event(), context.Value("i", 0)
    process = context.Process(target=_view, args=(url, run, viewers, ready, done, count))
    if viewers:
        process.start()
        ready.wait(60)
    yield count
    if viewers:
        done.set()
        process.join(30)


def _view(url: str, run: str, viewers: int, ready: Event, done: Event, count: Any) -> None:
    asyncio.run(_view_all(url, run, viewers, ready, done, count))


async def _view_all(url: str, run: str, count_of_viewers: int, ready: Event, done: Event, count: Any) -> None:
    viewers = [
        asyncio.create_task(part) for _ in range(count_of_viewers) for part in (_session(url, run), _stream(url, run, count))
    ]
    await asyncio.sleep(3)
    for viewer in viewers:
        if viewer.done():
            viewer.result()  # raises what ended it: a viewer that is not there must not be counted
    ready.set()
    while not done.is_set():
        await asyncio.sleep(0.2)
    for viewer in viewers:
        viewer.cancel()


async def _session(url: str, run: str) -> None:
    """A Streamlit session that has run the Train page and stays open."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from websockets.asyncio.client import connect

    message = BackMsg()
    message.rerun_script.query_string = f"run={run}"
    message.rerun_script.page_name = "train"
    address = f"{url.replace('http', 'ws')}/_stcore/stream"
    async with connect(address, origin=url, subprotocols=["streamlit"], max_size=None) as socket:
        await socket.send(message.SerializeToString())
        async for _ in socket:
            pass


async def _stream(url: str, run: str, count: Any) -> None:
    """The event stream of the page's chart, read as it comes."""
    async for _ in messages(url, run):
        with count.get_lock():
            count.value += 1
    raise RuntimeError("The event stream ended early.")


async def messages(url: str, run: str) -> AsyncIterator[bytes]:
    """What the event stream of `run` brings, message by message, as JSON."""
    address = urlsplit(f"{url}/api/runs/{run}/events")
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=LONGEST)
    writer.write(f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:")


if __name__ == "__main__":
    main()
