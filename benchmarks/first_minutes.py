"""Measure the time from the first page to a drawn digit that is classified correctly, in Chromium. `python -m benchmarks.first_minutes`"""

from benchmarks.dashboard import dashboard
from benchmarks.evaluating import browser_page
from benchmarks.machine import median_and_worst, print_table
from tests.browser.first_minutes import play_first_minutes

ROUNDS = 3


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with dashboard() as served, browser_page() as page:
            rounds.append(play_first_minutes(page, served.url))
    *_, last = rounds[0]
    rows = [
        (
            f"from the first page to: {moment}",
            "≤ 60 s" if moment == last else "",
            median_and_worst([times[moment] for times in rounds], digits=1),
        )
        for moment in rounds[0]
    ]
    print_table("The first five minutes", rows)


if __name__ == "__main__":
    main()
