"""The first minutes of a newcomer in Chromium: open the page, train on digits with one click, draw a digit."""

import time
from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.pilot import DIGITS, LOSS, await_classified, draw_with_mouse

TRAINED_WITHIN = 300_000  # milliseconds; beside other tests, on one thread, it takes a minute or two
PREDICTION = "[data-testid=stMetricValue]"
CLASSIFIED = "a drawn digit that is classified correctly"


def play_first_minutes(page: Page, url: str, on_first_page: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Return the seconds from the first page to each step, in order; the last step is CLASSIFIED. on_first_page: called when it is there."""
    page.goto(url)
    page.locator("h1").wait_for()
    on_first_page()
    start, seconds = time.perf_counter(), {}

    def note(step: str) -> None:
        seconds[step] = time.perf_counter() - start

    page.get_by_role("button", name="Train on digits now").click()
    page.wait_for_function(f"({LOSS}?.data?.[0].x.length ?? 0) > 0", timeout=TRAINED_WITHIN)
    note("the first point of the curve")
    page.locator(".live[data-status=finished]").wait_for(timeout=TRAINED_WITHIN)
    note("the end of training")
    page.get_by_role("button", name="Open in Gallery").click()
    page.locator(".draw-paper").wait_for()
    note("the drawing canvas")
    for digit, strokes in DIGITS.items():
        draw_with_mouse(page, strokes)
        await_classified(page)
        if page.locator(PREDICTION).first.inner_text() == digit:
            note(CLASSIFIED)
            return seconds
        page.get_by_role("button", name="Clear").click()
        page.locator(PREDICTION).first.wait_for(state="detached")
    raise AssertionError("None of the ten drawn digits was classified correctly.")
