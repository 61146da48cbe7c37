"""Memory of the server while a live page is open for hours. `python -m benchmarks.soak [HOURS]`

The events of a training at 22 steps a second, four reports a second and an epoch every half minute, as SimpleCNN on CIFAR-10 brings them on two
cores, come at up to twelve times their speed: five seconds' worth at a time, once the browser has drawn those before. A Chromium shows
the run's page all the while. The resident set of the server's process is read every minute of the run's time; the slope is that of a straight
line through the readings after the first third, in which the caches fill.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, PATIENCE, Dashboard, dashboard, find_chromium
from benchmarks.machine import print_table
from benchmarks.scale import CLASSES, epoch, report
from cnn_core.config.defaults import make_config
from cnn_core.events import Started
from cnn_core.runs.lock import hold

HOURS = 3.0
WARM_UP = 1 / 3  # of all hours
STEPS_PER_REPORT, REPORTS_PER_SECOND, REPORTS_PER_EPOCH = 5.5, 4, 120
BUNCH, BUNCH_SECONDS = 20, 0.4  # reports stored together, and the least time they take: twelve and a half times their speed
MEGABYTE = 1e6
COUNT = """() => {
  window.reached = 0;
  document.addEventListener("live:drawn", (event) => { window.reached = Math.max(window.reached, event.detail.step); });
}"""


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else HOURS
    with dashboard() as served, sync_playwright() as playwright:
        run = served.store.create(make_config(data="digits", epochs=1000), status="running")
        with hold(served.store.home.run_folder(run)):
            served.store.log.append(run, [Started(506_154, "CPU", 50_000, 5_000, 10_000, 660, 1000, 0, CLASSES, (4500,) * 10)])
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
            page = browser.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"{served.url}/train?run={run}")
            page.locator("[data-chart=loss]").wait_for()
            page.evaluate(COUNT)
            begun = time.perf_counter()
            readings = list(_live(served, run, page, hours))
            seconds = time.perf_counter() - begun
            browser.close()
            served.store.set_status(run, "finished")
    places, sizes = map(np.array, zip(*readings, strict=True))
    is_warm = places >= WARM_UP * hours
    slope = np.polyfit(places[is_warm], sizes[is_warm], 1)[0]
    warm = sizes[is_warm]
    print_table(
        f"A live page open for {hours:g} h of a run, {3600 * hours / seconds:.0f} times as fast",
        [
            ("growth of the server's resident set after the warm-up", "≤ 1 MB an hour", f"{slope:+.2f} MB an hour"),
            ("resident set", "", f"{sizes[0]:.0f} MB at first, {warm[0]:.0f} MB warm, {warm[-1]:.0f} MB at the end (n = {len(warm)})"),
        ],
    )  # fmt: skip


def _live(served: Dashboard, run: str, page: Page, hours: float) -> Iterator[tuple[float, float]]:
    """Let the run go on for so many hours of its own time; gives the hour and the server's megabytes, once a minute."""
    rng, step, reports = np.random.default_rng(0), 0, 0
    total = round(3600 * hours * REPORTS_PER_SECOND)
    while reports < total:
        begun, events = time.perf_counter(), []
        for _ in range(BUNCH):
            reports += 1
            before, step = step, round(reports * STEPS_PER_REPORT)
            events.append(report(step, step - before, rng))
            if reports % REPORTS_PER_EPOCH == 0:
                events.append(epoch(reports // REPORTS_PER_EPOCH, step))
        served.store.log.append(run, events)
        page.wait_for_function(f"window.reached >= {step}")
        time.sleep(max(0.0, BUNCH_SECONDS - (time.perf_counter() - begun)))
        if reports % (60 * REPORTS_PER_SECOND) < BUNCH:
            yield reports / REPORTS_PER_SECOND / 3600, resident(served.process.pid)


def resident(process: int) -> float:
    """Megabytes of a process's resident set (Linux)."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / MEGABYTE


if __name__ == "__main__":
    main()
