"""Measure the time from the press of Start to the figures of the run on the screen, with the defaults of the form, on photographs. `python -m benchmarks.photographs_start FOLDER`

FOLDER: `train/` and `val/`, each with a folder for every class, or the folders of the classes themselves. It is imported with the defaults before. Start is
pressed ROUNDS times, in Chromium, without a change of any setting; the clock of the browser counts.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.dashboard import dashboard, run_command
from benchmarks.evaluating import browser_page
from benchmarks.machine import print_table
from cnn_core.home import Home

ROUNDS, NAME = 3, "photographs"
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
RESULT = ".st-key-result [data-testid=stMetricValue]"
TIMEOUT = 300_000  # milliseconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        run_command(home.root, "data", "import", str(Path(sys.argv[1]).resolve()), "--name", NAME)
        with dashboard(home=home.root) as served, browser_page() as page:
            seconds = [press_start(page, served.url) for _ in range(ROUNDS)]
            runs = sorted(served.store.runs(), key=lambda run: run.created)
    config, accuracies = runs[0].config, [run.summary["best_val_accuracy"] for run in runs]
    rows = [
        ("settings that Start used", "", f"{config.model}, weights {config.weights}, trained layers {config.train}"),
        ("from the press of Start to the figures on the screen, first run", "≤ 25 s", f"{seconds[0]:.1f} s"),
        ("the same, later runs", "≤ 5 s", ", ".join(f"{value:.1f} s" for value in seconds[1:])),
        ("best validation accuracy", "≥ 94%", ", ".join(f"{value:.1%}" for value in accuracies)),
        ("out-of-fold accuracy", "", ", ".join(f"{run.summary['out_of_fold_accuracy']:.1%}" for run in runs)),
    ]
    print_table("Photographs in `FOLDER`, defaults of the form", rows)


def press_start(page: Page, url: str) -> float:
    """Return the seconds from the press of Start to the accuracy in the result of the run."""
    page.goto(f"{url}/configure?data={NAME}")
    button = page.get_by_role("button", name="Start training")
    button.wait_for(timeout=TIMEOUT)
    page.wait_for_selector(READY, timeout=TIMEOUT)
    begun = time.perf_counter()
    button.click()
    page.locator(RESULT).first.wait_for(timeout=TIMEOUT)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
