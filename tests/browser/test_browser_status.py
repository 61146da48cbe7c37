"""The status of a run in a browser: list, badge and panel always say the same, and the page is rerun once for each change."""

from itertools import pairwise

from playwright.sync_api import Page, expect

from cnn_core.runs.store import Store
from pages.shared.run_selection import STATUS
from tests.browser.pilot import DONE, assert_sound, visit
from tests.pages.manual_run import epoch, started, steps, trained_here
from tests.pages.studio_harness import Server

# What the three places say, at every frame in which it differs from the one before, with the milliseconds since then.
RECORD = """words => {
    window.said = [];
    (function record() {
        const text = (selector) => document.querySelector(`[data-testid=stMain] ${selector}`)?.innerText ?? "";
        const word = (text) => words.find((word) => text.toLowerCase().includes(word)) ?? "";
        const places = [document.querySelector("[data-testid=stSelectbox] input").value, text(".stMarkdownBadge"), text(".live-stage")].map(word);
        const last = window.said.at(-1);
        if (String(last?.places) !== String(places)) window.said.push({ places, at: performance.now() });
        requestAnimationFrame(record);
    })();
}"""
LONGEST = 1000  # milliseconds in which the parts of one rerun appear one after the other


def test_list_badge_and_panel_say_the_same_from_waiting_to_completed(page: Page, server: Server, store: Store):
    requests: list[object] = []  # for a rerun
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: requests.append(frame)))
    with trained_here(store) as run, trained_here(store) as other:
        store.set_status(run, "queued")  # nobody trains it: its lock is held here
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
        visit(page, server, "train", f"?run={run}")
        expect(page.locator(".live-stage")).to_contain_text(other)
        page.evaluate(RECORD, [label for _, _, label in STATUS.values()])
        requests.clear()
        for status in ("running", "paused", "running", "finished"):
            store.set_status(run, status)
            expect(page.locator(".live")).to_have_attribute("data-status", status)
            expect(page.locator(".live-stage")).to_have_text(STATUS[status][2].capitalize())
            page.wait_for_selector(DONE)
        page.wait_for_timeout(1200)  # in this time a second request would come
        assert len(requests) == 4
        said = page.evaluate("[...window.said, { places: [], at: performance.now() }]")
        apart = [after["at"] - before["at"] for before, after in pairwise(said) if len(set(before["places"])) > 1]
        assert max(apart, default=0) < LONGEST
        agreed = [before["places"][0] for before in said[:-1] if len(set(before["places"])) == 1]
        assert agreed == [STATUS[status][2] for status in ("queued", "running", "paused", "running", "finished")]
        store.set_status(other, "paused")  # also after the end of the run that is shown
        for _ in range(200):
            if len(requests) < 5:
                page.wait_for_timeout(50)
        assert len(requests) == 5
        page.wait_for_selector(DONE)
        page.get_by_role("combobox", name="Run").click()
        expect(page.get_by_role("option", name=other)).to_contain_text(STATUS["paused"][2])
    assert_sound(page)
