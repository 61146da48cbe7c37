"""Measure one run with fifty sessions that watch it for five minutes. `python -m benchmarks.crowd [SECONDS]`

All but one are protocol clients: each is a Streamlit session on a WebSocket that has run the Train page and reruns its fragments at their
intervals, and the event stream of the page. One is a real Chromium. Clients and browser share the cores with the server, whose own
thread trains. The training speed is measured before, during and after. A delay lasts from the step (clock of the training thread)
to the message at a client, or to the point drawn in the browser.
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

from benchmarks.dashboard import TIMEOUT, Dashboard, chromium, dashboard
from benchmarks.latency import LISTEN
from benchmarks.machine import percentile, print_table
from benchmarks.viewers import connect_session, messages, training_speed
from cnn_core.config.defaults import make_config

SESSIONS, SECONDS = 50, 300.0
FRACTION_ALONE = 0.2  # of the seconds: measurement without viewers, before and after
SETTLE_SECONDS = 5.0
FRACTION_READS = 0.05  # of the seconds: counting file reads


@dataclass
class ClientLog:
    """What the clients received: seconds from step to message, error texts, and counts of opened streams, pages, messages and fragment runs."""

    delays: list[float] = field(default_factory=list)
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
        reads = [_reads_per_second(served, run, streams, seconds * FRACTION_READS) for streams in (0, 1, SESSIONS)]
        alone = [_measure_speed(served, run, seconds * FRACTION_ALONE)]
        with crowd(served.url, run, SESSIONS - 1) as log, _browser(served.url, run) as (drawing_delays, browser_errors):
            start, before = time.perf_counter(), _cpu_seconds(served)
            watched = _measure_speed(served, run, seconds)
            elapsed = time.perf_counter() - start
            cores = {name: (after - before[name]) / elapsed for name, after in _cpu_seconds(served).items()}
        alone.append(_measure_speed(served, run, seconds * FRACTION_ALONE))
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
    errors = log.errors + browser_errors
    print_table(
        f"{SESSIONS} sessions watching one run for {seconds:.0f} s, one of them a Chromium",
        [
            ("errors", "0", f"{len(errors)} in {log.messages:,} messages and {log.reruns:,} fragment runs {'; '.join(sorted(set(errors)))[:300]}"),
            ("step to message, p95", "≤ 1.5 s", _percentiles(log.delays)),
            ("step to point drawn in the browser, p95", "≤ 1.5 s", _percentiles(drawing_delays)),
            (
                "training speed, with / without viewers",
                "≥ 0.90",
                f"{watched / statistics.mean(alone):.3f} ({watched:,.0f} images/s; {alone[0]:,.0f} before and {alone[1]:,.0f} after)",
            ),
            ("cores in use with viewers", "", ", ".join(f"{name} {used:.2f}" for name, used in cores.items())),
            (
                "file reads of the server per second with no, one and fifty streams",
                "one reader for all",
                ", ".join(f"{count:,.0f}" for count in reads),
            ),
        ],
    )  # fmt: skip


def _percentiles(seconds: list[float]) -> str:
    return (
        f"{percentile(seconds, 95):.2f} s (p50 {percentile(seconds, 50):.2f} s, worst {max(seconds):.2f} s, n = {len(seconds):,})"
    )


def _measure_speed(served: Dashboard, run: str, seconds: float) -> float:
    """Return the images per second of the training over `seconds`, measured after a short pause."""
    time.sleep(SETTLE_SECONDS)
    start = time.time()
    time.sleep(seconds)
    return training_speed(served.store, run, start, time.time())


def _reads_per_second(served: Dashboard, run: str, streams: int, seconds: float) -> float:
    """Return the server's file reads (system calls, Linux) per second while `streams` event streams are open, without sessions."""
    with crowd(served.url, run, streams, with_sessions=False):
        time.sleep(SETTLE_SECONDS)
        before = _read_calls(served.process.pid)
        time.sleep(seconds)
        return (_read_calls(served.process.pid) - before) / seconds


def _cpu_seconds(served: Dashboard) -> dict[str, float]:
    """Return the CPU seconds that the server with its training, the clients and the browser have used so far (Linux)."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended meanwhile
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    names = {served.process.pid: "server"} | {child.pid: "clients" for child in multiprocessing.active_children() if child.pid}
    seconds = dict.fromkeys(("server", "clients", "browser"), 0.0)
    for process in ticks:
        ancestor = process
        while ancestor not in names and parents.get(ancestor, 0) != os.getpid() and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor in names or parents.get(ancestor) == os.getpid():
            seconds[names.get(ancestor, "browser")] += ticks[process] / os.sysconf("SC_CLK_TCK")
    return seconds


def _read_calls(process: int) -> int:
    """Return the number of read system calls of a process so far (Linux)."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(lines["syscr"])


@contextmanager
def _browser(url: str, run: str) -> Iterator[tuple[list[float], list[str]]]:
    """Show the run's page in a Chromium; yield two lists that hold, after the block, the seconds from step to drawing and the errors."""
    delays: list[float] = []
    errors: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: errors.append(f"browser: {error}"))
        page.goto(f"{url}/train?run={run}")
        page.wait_for_function("document.querySelector('[data-chart=loss]')?.data?.[0].x.length > 20")
        page.evaluate(LISTEN)
        yield delays, errors
        delays += page.evaluate("window.drawings.map((d) => d.drawn - d.at)")
        errors += ["browser: an exception is shown"] * page.locator("[data-testid=stException]").count()


@contextmanager
def crowd(url: str, run: str, clients: int, *, with_sessions: bool = True) -> Iterator[ClientLog]:
    """Let `clients` clients in another process watch `run` within the block. The yielded log is filled in after the block."""
    context = multiprocessing.get_context("spawn")
    ready, done, log = context.Event(), context.Event(), ClientLog()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_watch, args=(url, run, clients, with_sessions, ready, done, sender))
    process.start()
    if not ready.wait(120):
        raise RuntimeError("The clients were not ready after two minutes.")
    yield log
    done.set()
    vars(log).update(vars(receiver.recv()))
    process.join(30)


def _watch(url: str, run: str, clients: int, with_sessions: bool, ready: Event, done: Event, sender: Any) -> None:
    """Watch `run` until `done` and send the log: the clients' process."""
    sender.send(asyncio.run(_watch_all(url, run, clients, with_sessions, ready, done)))


async def _watch_all(url: str, run: str, clients: int, with_sessions: bool, ready: Event, done: Event) -> ClientLog:
    log = ClientLog()
    kinds = [_stream, _session] if with_sessions else [_stream]
    tasks = [asyncio.create_task(kind(url, run, log)) for _ in range(clients) for kind in kinds]
    while log.streams < clients or (with_sessions and log.pages < clients):
        await asyncio.sleep(0.1)
    ready.set()
    while not done.is_set():
        await asyncio.sleep(0.2)
    for task in tasks:
        if task.done():
            log.errors.append(f"ended early: {task.exception()!r}")
        task.cancel()
    return log


async def _stream(url: str, run: str, log: ClientLog) -> None:
    """Read the event stream of the page; the delay of every message but the first is noted."""
    reached = None
    async for message in messages(url, run):
        payload, now = json.loads(message), time.time()
        log.messages += 1
        if reached is None:
            log.streams += 1
        elif payload["step"] > reached:
            log.delays.append(now - payload["at"])
        reached = payload["step"]


async def _session(url: str, run: str, log: ClientLog) -> None:
    """Open a Streamlit session on the Train page and rerun its fragments as a browser does."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    timers: dict[str, asyncio.Task[None]] = {}
    page, is_loaded = "", False

    async def request_rerun(fragment: str = "", *, every: float = 0.0) -> None:
        while True:
            await asyncio.sleep(every)
            request = BackMsg()
            request.rerun_script.query_string = f"run={run}"
            request.rerun_script.fragment_id, request.rerun_script.is_auto_rerun = fragment, bool(fragment)
            if page:
                request.rerun_script.page_script_hash = page
            else:
                request.rerun_script.page_name = "train"
            await socket.send(request.SerializeToString())
            if not fragment:
                return
            log.reruns += 1

    async with connect_session(url) as socket:
        await request_rerun()
        async for content in socket:
            message = ForwardMsg.FromString(content)
            match message.WhichOneof("type"):
                case "new_session":
                    page = message.new_session.page_script_hash
                case "auto_rerun":
                    name = message.auto_rerun.fragment_id
                    if name not in timers:
                        timers[name] = asyncio.create_task(request_rerun(name, every=message.auto_rerun.interval))
                case "script_finished" if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    log.errors.append("a script did not run")
                case "script_finished" if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY and not is_loaded:
                    log.pages, is_loaded = log.pages + 1, True
                case "delta" if message.delta.new_element.WhichOneof("type") == "exception":
                    log.errors.append(f"an exception was shown: {message.delta.new_element.exception.message}")
    raise RuntimeError("The session was closed.")


if __name__ == "__main__":
    main()
