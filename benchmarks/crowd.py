"""Fifty sessions watching one run for five minutes. `python -m benchmarks.crowd [SECONDS]`

All but one are protocol clients: a Streamlit session on its websocket that has run the Train page and runs its fragments again when their
time has come, and the event stream that the page opens. One is a real Chromium. Clients and browser share the cores with the server, whose own
thread trains. Training is timed before, while and after it is watched; a refresh lasts from the step, by the clock of the training thread,
to the message at a client, or to the drawn point in the browser.
"""

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, PATIENCE, Dashboard, dashboard, find_chromium
from benchmarks.latency import LISTEN
from benchmarks.machine import percentile, print_table
from benchmarks.viewers import messages, pace
from cnn_core.config.defaults import make_config

SESSIONS, SECONDS = 50, 300.0
ALONE = 0.2  # of the seconds, before and after
SETTLE = 5.0
READING = 0.05  # of the seconds, for counting reads


@dataclass
class Seen:
    """What some clients have seen: seconds from step to message, errors in words; streams and pages that came, messages and fragment runs
    are counted."""

    refreshes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    streams: int = 0
    pages: int = 0
    messages: int = 0
    reruns: int = 0


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with dashboard() as served:
        run = served.store.create(make_config(data="digits", epochs=1000))
        while not served.store.log.read(run, since=20):
            time.sleep(0.2)
        reads = [_reads(served, run, streams, seconds * READING) for streams in (0, 1, SESSIONS)]
        alone = [_pace(served, run, seconds * ALONE)]
        with crowd(served.url, run, SESSIONS - 1) as seen, _browser(served.url, run) as (drawn, complaints):
            begun, before = time.perf_counter(), _busy_seconds(served)
            watched = _pace(served, run, seconds)
            passed = time.perf_counter() - begun
            cores = {name: (after - before[name]) / passed for name, after in _busy_seconds(served).items()}
        alone.append(_pace(served, run, seconds * ALONE))
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
    errors = seen.errors + complaints
    print_table(
        f"{SESSIONS} sessions watching one run for {seconds:.0f} s, one of them a Chromium",
        [
            ("errors", "0", f"{len(errors)} in {seen.messages:,} messages and {seen.reruns:,} fragment runs {'; '.join(sorted(set(errors)))[:300]}"),
            ("step to message, p95", "≤ 1.5 s", _spread(seen.refreshes)),
            ("step to point drawn in the browser, p95", "≤ 1.5 s", _spread(drawn)),
            (
                "training speed, watched / alone",
                "≥ 0.90",
                f"{watched / statistics.mean(alone):.3f} ({watched:,.0f} images/s; {alone[0]:,.0f} before and {alone[1]:,.0f} after)",
            ),
            ("cores in use, watched", "", ", ".join(f"{name} {used:.2f}" for name, used in cores.items())),
            (
                "file reads of the server a second: nobody, one stream, all streams",
                "as many for all as for one",
                ", ".join(f"{count:,.0f}" for count in reads),
            ),
        ],
    )  # fmt: skip


def _spread(seconds: list[float]) -> str:
    return (
        f"{percentile(seconds, 95):.2f} s (p50 {percentile(seconds, 50):.2f} s, worst {max(seconds):.2f} s, n = {len(seconds):,})"
    )


def _pace(served: Dashboard, run: str, seconds: float) -> float:
    """Images per second of training over so many seconds from soon on."""
    time.sleep(SETTLE)
    begin = time.time()
    time.sleep(seconds)
    return pace(served.store, run, begin, time.time())


def _reads(served: Dashboard, run: str, streams: int, seconds: float) -> float:
    """File reads (system calls, Linux) of the server a second while so many event streams are open, without sessions."""
    with crowd(served.url, run, streams, with_sessions=False):
        time.sleep(SETTLE)
        before = _read_calls(served.process.pid)
        time.sleep(seconds)
        return (_read_calls(served.process.pid) - before) / seconds


def _busy_seconds(served: Dashboard) -> dict[str, float]:
    """Seconds of processor time that the server (training and telling), the clients and the browser have used so far."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)], used[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    names = {served.process.pid: "server", **{child.pid: "clients" for child in multiprocessing.active_children()}}
    seconds = dict.fromkeys(("server", "clients", "browser"), 0.0)
    for process in used:
        ancestor = process
        while ancestor not in names and parents.get(ancestor, 0) != os.getpid() and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor in names or parents.get(ancestor) == os.getpid():
            seconds[names.get(ancestor, "browser")] += used[process] / os.sysconf("SC_CLK_TCK")
    return seconds


def _read_calls(process: int) -> int:
    lines = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(lines["syscr"])


@contextmanager
def _browser(url: str, run: str) -> Iterator[tuple[list[float], list[str]]]:
    """A Chromium on the run's page; gives the lists that hold, after the block, seconds from step to drawing, and its errors."""
    drawn: list[float] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(f"browser: {error}"))
        page.goto(f"{url}/train?run={run}")
        page.wait_for_function("document.querySelector('[data-chart=loss]')?.data?.[0].x.length > 20")
        page.evaluate(LISTEN)
        yield drawn, errors
        drawn += page.evaluate("window.drawings.map((d) => d.drawn - d.at)")
        errors += ["browser: an exception is shown"] * page.locator("[data-testid=stException]").count()
        browser.close()


@contextmanager
def crowd(url: str, run: str, clients: int, *, with_sessions: bool = True) -> Iterator[Seen]:
    """In the block, so many clients watch `run` from a process of their own; what they have seen is there after it."""
    context = multiprocessing.get_context("spawn")
    ready, done, seen = context.Event(), context.Event(), Seen()
    answer, there = context.Pipe(duplex=False)
    process = context.Process(target=_watch, args=(url, run, clients, with_sessions, ready, done, there))
    process.start()
    if not ready.wait(120):
        raise RuntimeError("The clients did not get ready.")
    yield seen
    done.set()
    vars(seen).update(vars(answer.recv()))
    process.join(30)


def _watch(url: str, run: str, clients: int, with_sessions: bool, ready: Event, done: Event, there: Any) -> None:
    there.send(asyncio.run(_watch_all(url, run, clients, with_sessions, ready, done)))


async def _watch_all(url: str, run: str, clients: int, with_sessions: bool, ready: Event, done: Event) -> Seen:
    seen = Seen()
    parts = [_stream, _session] if with_sessions else [_stream]
    tasks = [asyncio.create_task(part(url, run, seen)) for _ in range(clients) for part in parts]
    while seen.streams < clients or (with_sessions and seen.pages < clients):
        await asyncio.sleep(0.1)
    ready.set()
    while not done.is_set():
        await asyncio.sleep(0.2)
    for task in tasks:
        if task.done():
            seen.errors.append(f"ended early: {task.exception()!r}")
        task.cancel()
    return seen


async def _stream(url: str, run: str, seen: Seen) -> None:
    """The event stream of the page; every message but the first is a refresh."""
    reached = None
    async for message in messages(url, run):
        payload, now = json.loads(message), time.time()
        seen.messages += 1
        if reached is None:
            seen.streams += 1
        elif payload["step"] > reached:
            seen.refreshes.append(now - payload["at"])
        reached = payload["step"]


async def _session(url: str, run: str, seen: Seen) -> None:
    """A Streamlit session that has run the Train page, and runs its fragments again as a browser would."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.asyncio.client import connect

    timers: dict[str, asyncio.Task[None]] = {}
    page, is_there = "", False

    async def ask(fragment: str = "", *, every: float = 0.0) -> None:
        while True:
            await asyncio.sleep(every)
            wanted = BackMsg()
            wanted.rerun_script.query_string = f"run={run}"
            wanted.rerun_script.fragment_id, wanted.rerun_script.is_auto_rerun = fragment, bool(fragment)
            if page:
                wanted.rerun_script.page_script_hash = page
            else:
                wanted.rerun_script.page_name = "train"
            await socket.send(wanted.SerializeToString())
            if not fragment:
                return
            seen.reruns += 1

    address = f"{url.replace('http', 'ws')}/_stcore/stream"
    async with connect(address, origin=url, subprotocols=["streamlit"], max_size=None) as socket:
        await ask()
        async for content in socket:
            said = ForwardMsg.FromString(content)
            match said.WhichOneof("type"):
                case "new_session":
                    page = said.new_session.page_script_hash
                case "auto_rerun":
                    name = said.auto_rerun.fragment_id
                    if name not in timers:
                        timers[name] = asyncio.create_task(ask(name, every=said.auto_rerun.interval))
                case "script_finished" if said.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    seen.errors.append("a script could not be run")
                case "script_finished" if said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY and not is_there:
                    seen.pages, is_there = seen.pages + 1, True
                case "delta" if said.delta.new_element.WhichOneof("type") == "exception":
                    seen.errors.append(f"an exception was shown: {said.delta.new_element.exception.message}")
    raise RuntimeError("The session was closed.")


if __name__ == "__main__":
    main()
