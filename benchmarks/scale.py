"""A run of a million steps and a store of a thousand runs, in Chromium. `python -m benchmarks.scale [million | singly | thousand]`

`million`: one report for every 25 steps, as on a fast machine; `singly`: one for each step, the most events that a million steps can bring.
The events are made up, and stored as training stores them, with the newest digest as old as it can be. A page is opened from another one by
its link, until its chart or table stands there; the browser and the server are warm.
"""

import asyncio
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, PATIENCE, Dashboard, dashboard, find_chromium
from benchmarks.machine import print_table
from benchmarks.viewers import messages
from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Event, Started, Steps
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import SAVE_EVERY, save_history
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store

STEPS, PER_REPORT, PER_EPOCH = 1_000_000, 25, 2500
RUNS, ROUNDS, UPDATES = 1000, 7, 40
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIECE = 10_000  # events stored at a time
CHART = "document.querySelector('[data-chart=loss]')?.data?.[0].x.length >= 1000"
Rows = list[tuple[str, str, str]]


def main() -> None:
    wanted = sys.argv[1:] or ["million", "singly", "thousand"]
    rows: Rows = []
    if "million" in wanted:
        rows += million(PER_REPORT)
    if "singly" in wanted:
        rows += million(1)
    if "thousand" in wanted:
        rows += thousand()
    print_table("Long runs and many runs", rows)


def million(per_report: int, steps: int = STEPS) -> Rows:
    """Opening a run of so many steps, and what a live update of it takes."""
    with dashboard() as served:
        run = served.store.create(make_config(data="digits", epochs=1000), status="running")
        with hold(served.store.home.run_folder(run)):
            reached = store_events(served.store, run, training(steps, per_report))
            seconds = open_pages(served, "Train", lambda page: page.wait_for_function(CHART))
            sizes = asyncio.run(_update_sizes(served, run, steps, per_report))
            served.store.set_status(run, "finished")
    name = f"a run of {steps:,} steps in {reached:,} events"
    return [
        (f"opening {name}", "≤ 1.5 s", _spread(seconds)),
        (
            f"bytes of a live update of {name}",
            "≤ 15 kB",
            f"median {statistics.median(sizes) / 1000:.1f} kB, worst {max(sizes) / 1000:.1f} kB (n = {len(sizes)})",
        ),
    ]


def thousand(runs: int = RUNS) -> Rows:
    """Opening the table of so many runs."""
    with dashboard() as served:
        for seed in range(runs):
            run = served.store.create(make_config(data="digits", seed=seed))
            figures = {"epochs": 25, "best_val_accuracy": 0.98, "test_accuracy": 0.97, "train_seconds": 30.0}
            served.store.set_status(run, "finished" if seed % 5 else "stopped", summary=figures)
        reading = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            assert len(served.store.runs()) == runs
            reading.append(time.perf_counter() - begun)
        seconds = open_pages(served, "Runs", lambda page: _wait_for_table(page, runs))
    return [
        (f"opening the table of {runs:,} runs", "≤ 1 s", _spread(seconds)),
        ("of that, reading the store", "", _spread(reading)),
    ]


def open_pages(served: Dashboard, name: str, wait: Callable[[Page], object]) -> list[float]:
    """Seconds from a click on the page's link, on the Start page, until `wait` returns."""
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        for round_ in range(ROUNDS + 1):
            page.goto(served.url)
            page.get_by_role("button", name="Train on digits now").wait_for()
            page.wait_for_timeout(2000)  # all is quiet, and nobody watches the run any more
            begun = time.perf_counter()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
            wait(page)
            if round_:  # the first one loads the chart library and the page's modules
                seconds.append(time.perf_counter() - begun)
        browser.close()
    return seconds


def training(steps: int, per_report: int) -> Iterator[Event]:
    """The events of a long training with a falling, noisy loss."""
    rng = np.random.default_rng(0)
    yield Started(506_154, "CPU", 50_000, 5_000, 10_000, PER_EPOCH, steps // PER_EPOCH, 0, CLASSES, (4500,) * 10)
    for step in range(per_report, steps + 1, per_report):
        yield report(step, per_report, rng)
        if step % PER_EPOCH == 0:
            yield epoch(step // PER_EPOCH, step)


def report(step: int, count: int, rng: np.random.Generator) -> Steps:
    """The `count` steps up to `step`, ten milliseconds each."""
    loss = tuple((2.3 / (1 + step / 50_000) + 0.2 * rng.standard_normal(count)).tolist())
    accuracy = tuple((rng.integers(32, 65, count) / 64).tolist())
    speed, norm = 6400 + 100 * float(rng.standard_normal()), float(rng.random())
    memory, load = 800_000_000 + int(rng.integers(1_000_000)), float(rng.random())
    times = (0.01 * step, 0.011 * step, time.time())
    return Steps(1 + (step - 1) // PER_EPOCH, step, 64 * step, loss, accuracy, 0.001, speed, *times, norm, memory, load)


def epoch(number: int, step: int) -> Epoch:
    figures = (1.0, 0.7, 1.1, 0.69, number % 7 == 0)
    return Epoch(number, step, *figures, 0.01 * step, 0.011 * step, number % 7, (0.7,) * len(CLASSES), 0.01)


def store_events(store: Store, run: str, events: Iterator[Event]) -> int:
    """Store the events as training does, but many at a time; the digest then lacks as many as it can. Gives their number."""
    history, waiting, seq = History(), deque(), 0
    while piece := list(islice(events, PIECE)):
        store.log.append(run, piece)
        for event in piece:
            seq += 1
            waiting.append(StoredEvent(seq, event))
            if len(waiting) == SAVE_EVERY:
                history.add([waiting.popleft()])
    save_history(store, run, history)
    return seq


async def _update_sizes(served: Dashboard, run: str, steps: int, per_report: int) -> list[int]:
    """Bytes of the messages that a viewer gets for one report each, every tenth with an epoch."""
    rng, sizes, place = np.random.default_rng(1), [], steps
    stream = messages(served.url, run)
    await anext(stream)  # the snapshot
    for number in range(UPDATES):
        place += per_report
        news = [report(place, per_report, rng), *([epoch(1000 + number, place)] if number % 10 == 9 else [])]
        served.store.log.append(run, news)
        sizes.append(len(await anext(stream)))
    return sizes


def _wait_for_table(page: Page, runs: int) -> None:
    page.get_by_text(f"{runs:,} of {runs:,} runs").wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()


def _spread(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s (n = {len(seconds)})"


if __name__ == "__main__":
    main()
