"""Diagnostics in a browser: a finding appears during training, and its button opens the form with the suggested settings."""

from playwright.sync_api import Page, expect

from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Started, Steps
from cnn_core.runs.lock import hold
from cnn_core.runs.rules.training import RATE_TOO_HIGH
from cnn_core.runs.store import Store
from pages.views.train.diagnostics import POLL_SECONDS
from tests.browser.pilot import assert_sound, number_field, settle, visit
from tests.pages.studio_harness import Server

CLASSES = tuple("abcdefghij")


def report(losses: list[float], last: int) -> Steps:
    return Steps(1, last, 64 * last, tuple(losses), (0.1,) * len(losses), 0.9, 1000.0, 0.01 * last, 0.01 * last, 1.0)


def test_a_finding_appears_during_training_and_its_button_opens_the_form_with_the_change(
    page: Page, server: Server, store: Store
):
    run = store.create(make_config(learning_rate=0.9, epochs=33), status="running")
    with hold(store.home.run_folder(run)):
        started = Started(1, "CPU", 1222, 216, 359, 39, 33, classes=CLASSES, class_counts=(122,) * 10)
        store.log.append(run, [started, report([2.3] * 20, 20)])
        page.clock.install()
        visit(page, server, "train", f"?run={run}")
        expect(page.locator("[class*=st-key-diagnostics-]")).to_have_count(0)
        store.log.append(run, [report([9.0] * 40, 60), Epoch(1, 60, 9.0, 0.1, 9.0, 0.1, True, 1.0, 1.0)])
        page.clock.fast_forward(1000 * POLL_SECONDS)
        # at the next update, without a rerun of the page
        expect(page.locator("[class*=st-key-diagnostics-]").first).to_be_visible()
        expect(page.locator(".announcer", has_text=RATE_TOO_HIGH)).to_have_count(1)  # read out once, to those who listen
        assert_sound(page)
        store.set_status(run, "stopped")
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    page.locator("[class*=st-key-diagnostics-]").get_by_role("button").first.click()
    page.wait_for_url("**/configure*")
    settle(page)
    expect(number_field(page, "Learning rate")).to_have_value("0.001")
    expect(number_field(page, "Epochs")).to_have_value("33")
    assert_sound(page)
