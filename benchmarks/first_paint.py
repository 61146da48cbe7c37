"""Measure the time from starting the server to the first page in Chromium. `python -m benchmarks.first_paint`"""

import time

from benchmarks.dashboard import chromium, dashboard, wait_for
from benchmarks.machine import median_and_worst, print_table

ROUNDS = 5


def main() -> None:
    seconds = []
    with chromium() as browser:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            with dashboard(wait=False) as served:
                wait_for(f"{served.url}/_stcore/health", served.process)
                page = browser.new_page()
                page.goto(served.url, wait_until="commit")
                page.get_by_role("button", name="Train on digits now").wait_for()
                seconds.append(time.perf_counter() - start)
                page.close()
    print_table("First page", [("server start to first page", "≤ 5 s", median_and_worst(seconds))])


if __name__ == "__main__":
    main()
