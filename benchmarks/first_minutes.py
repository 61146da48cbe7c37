"""Measure the time from the first page to a drawn digit that is classified correctly, in Chromium. `python -m benchmarks.first_minutes`"""

from benchmarks.dashboard import dashboard
from benchmarks.evaluating import browser_page
from benchmarks.machine import median_and_worst, print_table
from tests.browser.first_minutes import CLASSIFIED, play_first_minutes

ROUNDS = 3


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with dashboard() as served, browser_page() as page:
            rounds.append(play_first_minutes(page, served.url))
    rows = [
        (
            f"first page to {step}",
            "≤ 60 s" if step == CLASSIFIED else "",
            median_and_worst([seconds[step] for seconds in rounds], digits=1),
        )
        for step in rounds[0]
    ]
    print_table("The first five minutes", rows)


if __name__ == "__main__":
    main()
