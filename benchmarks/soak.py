"""Measure the server's memory while a live page is open for hours. `python -m benchmarks.soak [HOURS]`

The generated events are those of SimpleCNN on CIFAR-10 on two cores (22 steps and four reports per second, an epoch every half minute), at up to
twelve times their speed: five seconds of the run at a time, after the browser has drawn the previous ones. One Chromium shows
the run's page. The server's resident set is read once per minute of the run; the growth is the slope of a straight
line through the readings after the first third, during which the caches fill.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks.dashboard import TIMEOUT, Dashboard, chromium, dashboard
from benchmarks.machine import print_table
from benchmarks.scale import CLASSES, make_epoch, make_steps
from cnn_core.config.defaults import make_config
from cnn_core.events import Event, Started
from cnn_core.runs.lock import hold

HOURS = 3.0
WARM_UP = 1 / 3  # of the hours
STEPS_PER_REPORT, REPORTS_PER_SECOND, REPORTS_PER_EPOCH = 5.5, 4, 120
CHUNK, CHUNK_SECONDS = 20, 0.4  # reports stored at a time, and the shortest time between two chunks: 12.5 times their speed
MEGABYTE = 1e6
TRACK_DRAWINGS = """() => {
  window.reached = 0;
  document.addEventListener("live:drawn", (event) => { window.reached = Math.max(window.reached, event.detail.step); });
}"""


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else HOURS
    with dashboard() as served, chromium() as browser:
        run = served.store.create(make_config(data="digits", epochs=1000), status="running")
        with hold(served.store.home.run_folder(run)):
            served.store.log.append(run, [Started(506_154, "CPU", 50_000, 5_000, 10_000, 660, 1000, 0, CLASSES, (4500,) * 10)])
            page = browser.new_page()
            page.set_default_timeout(TIMEOUT)
            page.goto(f"{served.url}/train?run={run}")
            page.locator("[data-chart=loss]").wait_for()
            page.evaluate(TRACK_DRAWINGS)
            start = time.perf_counter()
            readings = list(_append_events(served, run, page, hours))
            seconds = time.perf_counter() - start
            page.close()
            served.store.set_status(run, "finished")
    times, sizes = map(np.array, zip(*readings, strict=True))
    is_warm = times >= WARM_UP * hours
    slope = np.polyfit(times[is_warm], sizes[is_warm], 1)[0]
    warm = sizes[is_warm]
    print_table(
        f"A live page open for {hours:g} h of a run, at {3600 * hours / seconds:.0f} times its speed",
        [
            ("memory growth of the server after the first third", "≤ 1 MB an hour", f"{slope:+.2f} MB an hour"),
            ("resident set of the server", "", f"{sizes[0]:.0f} MB at first, {warm[0]:.0f} MB after the first third, {warm[-1]:.0f} MB at the end (n = {len(warm)})"),
        ],
    )  # fmt: skip


def _append_events(served: Dashboard, run: str, page: Page, hours: float) -> Iterator[tuple[float, float]]:
    """Append the events of `hours` hours of the run; yield the hour and the server's megabytes once per minute of the run."""
    rng, step, reports = np.random.default_rng(0), 0, 0
    total = round(3600 * hours * REPORTS_PER_SECOND)
    while reports < total:
        start = time.perf_counter()
        events: list[Event] = []
        for _ in range(CHUNK):
            reports += 1
            previous, step = step, round(reports * STEPS_PER_REPORT)
            events.append(make_steps(step, step - previous, rng))
            if reports % REPORTS_PER_EPOCH == 0:
                events.append(make_epoch(reports // REPORTS_PER_EPOCH, step))
        served.store.log.append(run, events)
        page.wait_for_function(f"window.reached >= {step}")
        time.sleep(max(0.0, CHUNK_SECONDS - (time.perf_counter() - start)))
        if reports % (60 * REPORTS_PER_SECOND) < CHUNK:
            yield reports / REPORTS_PER_SECOND / 3600, resident_set(served.process.pid)


def resident_set(process: int) -> float:
    """Return the megabytes of a process's resident set (Linux)."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / MEGABYTE


if __name__ == "__main__":
    main()
