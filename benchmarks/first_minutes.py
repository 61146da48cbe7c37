"""From the first paint to a drawn digit that is read right, in Chromium. `python -m benchmarks.first_minutes`"""

import statistics

from benchmarks.dashboard import dashboard
from benchmarks.evaluating import browser_page
from benchmarks.machine import print_table
from tests.browser.first_minutes import play_first_minutes

ROUNDS = 3


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with dashboard() as served, browser_page() as page:
            rounds.append(play_first_minutes(page, served.url))
    rows = [
        (f"first paint → {what}", "≤ 60 s" if what == "a drawing read right" else "", spread([r[what] for r in rounds]))
        for what in rounds[0]
    ]
    print_table("The first five minutes", rows)


def spread(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s (n = {len(seconds)})"


if __name__ == "__main__":
    main()
