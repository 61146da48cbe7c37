"""From starting the server to the first painted page in Chromium. `python -m benchmarks.first_paint`"""

import statistics
import time

from playwright.sync_api import sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, dashboard, find_chromium, wait_for
from benchmarks.machine import print_table

ROUNDS = 5


def main() -> None:
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            with dashboard(wait=False) as served:
                wait_for(f"{served.url}/_stcore/health", served.process)
                page = browser.new_page()
                page.goto(served.url, wait_until="commit")
                page.get_by_role("button", name="Train on digits now").wait_for()
                seconds.append(time.perf_counter() - begun)
                page.close()
        browser.close()
    rows = [
        (
            "server start to first painted page",
            "≤ 5 s",
            f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s (n = {ROUNDS})",
        )
    ]
    print_table("First paint", rows)


if __name__ == "__main__":
    main()
