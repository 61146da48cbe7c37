"""Measure a run of a million steps and a store of a thousand runs, in Chromium. `python -m benchmarks.scale [million | singly | thousand]`

`million`: one report per 25 steps, as on a fast machine. `singly`: one report per step, the largest number of events of a million steps. The
generated events are stored as training stores them, with the oldest possible digest of the history. A page is opened by its link on the Start page,
in a Chromium that has opened it before, until its chart or table is shown.
"""

import asyncio
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from playwright.sync_api import Page

from benchmarks.dashboard import TIMEOUT, Dashboard, chromium, dashboard
from benchmarks.machine import Rows, measure_seconds, median_and_worst, print_table
from benchmarks.viewers import messages
from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Event, Started, Steps
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import SAVE_EVERY, save_history
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store

STEPS, STEPS_PER_REPORT, STEPS_PER_EPOCH = 1_000_000, 25, 2500
RUNS, ROUNDS, UPDATES = 1000, 7, 40
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CHUNK = 10_000  # events stored at a time
HAS_CHART = "document.querySelector('[data-chart=loss]')?.data?.[0].x.length >= 500"


def main() -> None:
    names = sys.argv[1:] or ["million", "singly", "thousand"]
    rows: Rows = []
    if "million" in names:
        rows += measure_long_run(STEPS_PER_REPORT)
    if "singly" in names:
        rows += measure_long_run(1)
    if "thousand" in names:
        rows += measure_many_runs()
    print_table("Long runs and many runs", rows)


def measure_long_run(steps_per_report: int, steps: int = STEPS) -> Rows:
    """Return the rows for opening a run of `steps` steps and for the size of a live update of it."""
    with dashboard() as served:
        run = served.store.create(make_config(data="digits", epochs=1000), status="running")
        with hold(served.store.home.run_folder(run)):
            count = store_events(served.store, run, make_events(steps, steps_per_report))
            seconds = measure_page(served, "Train", lambda page: page.wait_for_function(HAS_CHART))
            sizes = asyncio.run(_update_sizes(served, run, steps, steps_per_report))
            served.store.set_status(run, "finished")
    name = f"a run of {steps:,} steps in {count:,} events"
    return [
        (f"opening {name}", "≤ 1.5 s", median_and_worst(seconds)),
        (
            f"size of a live update of {name}",
            "≤ 15 kB",
            f"median {statistics.median(sizes) / 1000:.1f} kB, worst {max(sizes) / 1000:.1f} kB (n = {len(sizes)})",
        ),
    ]


def measure_many_runs(runs: int = RUNS) -> Rows:
    """Return the rows for opening the table of `runs` runs."""
    with dashboard() as served:
        for seed in range(runs):
            run = served.store.create(make_config(data="digits", seed=seed))
            summary = {"epochs": 25, "best_val_accuracy": 0.98, "test_accuracy": 0.97, "train_seconds": 30.0}
            served.store.set_status(run, "finished" if seed % 5 else "stopped", summary=summary)
        assert len(served.store.runs()) == runs
        store_seconds = [measure_seconds(served.store.runs) for _ in range(ROUNDS)]
        seconds = measure_page(served, "Runs", lambda page: _wait_for_table(page, runs))
    return [
        (f"opening the table of {runs:,} runs", "≤ 1 s", median_and_worst(seconds)),
        ("of which the store", "", median_and_worst(store_seconds)),
    ]


def measure_page(served: Dashboard, name: str, wait: Callable[[Page], object]) -> list[float]:
    """Open the page `name` from the Start page ROUNDS times; return the seconds from the click on its link until `wait` returns."""
    seconds = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT)
        for round_ in range(ROUNDS + 1):
            page.goto(served.url)
            page.get_by_role("button", name="Train on digits now").wait_for()
            page.wait_for_timeout(2000)  # the page has loaded, and the event stream of the run is closed
            start = time.perf_counter()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
            wait(page)
            if round_:  # the first round loads the chart library and the page's modules
                seconds.append(time.perf_counter() - start)
    return seconds


def make_events(steps: int, steps_per_report: int) -> Iterator[Event]:
    """Yield the events of a training with a decreasing, noisy loss."""
    rng = np.random.default_rng(0)
    yield Started(506_154, "CPU", 50_000, 5_000, 10_000, STEPS_PER_EPOCH, steps // STEPS_PER_EPOCH, 0, CLASSES, (4500,) * 10)
    for step in range(steps_per_report, steps + 1, steps_per_report):
        yield make_steps(step, steps_per_report, rng)
        if step % STEPS_PER_EPOCH == 0:
            yield make_epoch(step // STEPS_PER_EPOCH, step)


def make_steps(step: int, count: int, rng: np.random.Generator) -> Steps:
    """Return the report of the `count` steps up to `step`, ten milliseconds each."""
    loss = tuple((2.3 / (1 + step / 50_000) + 0.2 * rng.standard_normal(count)).tolist())
    accuracy = tuple((rng.integers(32, 65, count) / 64).tolist())
    speed, norm = 6400 + 100 * float(rng.standard_normal()), float(rng.random())
    memory, load = 800_000_000 + int(rng.integers(1_000_000)), float(rng.random())
    times = (0.01 * step, 0.011 * step, time.time())
    return Steps(1 + (step - 1) // STEPS_PER_EPOCH, step, 64 * step, loss, accuracy, 0.001, speed, *times, norm, memory, load)


def make_epoch(number: int, step: int) -> Epoch:
    """Return the Epoch event of one epoch."""
    return Epoch(
        number, step, 1.0, 0.7, 1.1, 0.69, number % 7 == 0, 0.01 * step, 0.011 * step, number % 7, (0.7,) * len(CLASSES), 0.01
    )


def store_events(store: Store, run: str, events: Iterator[Event]) -> int:
    """Store the events in chunks, and a digest that lacks as many events as possible. Return the number of events."""
    history, seq = History(), 0
    waiting: deque[StoredEvent] = deque()
    while chunk := list(islice(events, CHUNK)):
        store.log.append(run, chunk)
        for event in chunk:
            seq += 1
            waiting.append(StoredEvent(seq, event))
            if len(waiting) == SAVE_EVERY:
                history.add([waiting.popleft()])
    save_history(store, run, history)
    return seq


async def _update_sizes(served: Dashboard, run: str, step: int, steps_per_report: int) -> list[int]:
    """Append reports after `step`, every tenth with an epoch; return the bytes of the message that a viewer receives for each."""
    rng, sizes = np.random.default_rng(1), []
    stream = messages(served.url, run)
    await anext(stream)  # the snapshot
    for number in range(UPDATES):
        step += steps_per_report
        events: list[Event] = [make_steps(step, steps_per_report, rng)]
        if number % 10 == 9:
            events.append(make_epoch(1000 + number, step))
        served.store.log.append(run, events)
        sizes.append(len(await anext(stream)))
    return sizes


def _wait_for_table(page: Page, runs: int) -> None:
    page.get_by_text(f"{runs:,} of {runs:,} runs").wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()


if __name__ == "__main__":
    main()
