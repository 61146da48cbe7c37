"""What a newcomer does first, played in Chromium: open the page, press the one button, watch the digits being learned, draw one."""

import time

from playwright.sync_api import Page

from tests.browser.pilot import DIGITS, LOSS, await_answered, draw_with_mouse

LEARNS_WITHIN = 300_000  # milliseconds; beside other tests, on one thread, it takes a minute or two
ANSWER = "[data-testid=stMetricValue]"


def play_first_minutes(page: Page, url: str) -> dict[str, float]:
    """Seconds since the first paint at which each thing had happened; the last is a drawing that was read right."""
    page.goto(url)
    page.get_by_role("heading", name="Train an image classifier").wait_for()
    begun, happened = time.perf_counter(), {}

    def note(what: str) -> None:
        happened[what] = time.perf_counter() - begun

    page.get_by_role("button", name="Train on digits now").click()
    page.wait_for_function(f"({LOSS}?.data?.[0].x.length ?? 0) > 0", timeout=LEARNS_WITHIN)
    note("first point of the curve")
    page.locator(".live[data-status=finished]").wait_for(timeout=LEARNS_WITHIN)
    note("training finished")
    page.get_by_role("link", name="Try it in the gallery").click()
    page.locator(".draw-paper").wait_for()
    note("canvas there")
    for digit, strokes in DIGITS.items():
        draw_with_mouse(page, strokes)
        await_answered(page)
        if page.locator(ANSWER).first.inner_text() == digit:
            note("a drawing read right")
            return happened
        page.get_by_role("button", name="Clear").click()
        page.locator(ANSWER).first.wait_for(state="detached")
    raise AssertionError("None of ten drawn digits was read right.")
