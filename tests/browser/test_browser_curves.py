"""The curves of the Train page in a browser: by keyboard, as a table, and in the tabs below."""

import re

from playwright.sync_api import expect

from pages.views.train.more import MORE_CURVES
from tests.browser.pilot import assert_sound, visit
from tests.pages.manual_run import epoch, started, steps, trained_here


def test_epochs_are_reached_with_the_keyboard_and_their_values_are_read_and_in_a_table(page, server, store):
    with trained_here(store) as run:
        store.log.append(
            run, [started(), steps(1, 10), epoch(1, 10, val_accuracy=0.5), steps(11, 20), epoch(2, 20, val_accuracy=0.8)]
        )
        visit(page, server, "train", f"?run={run}")
        chart = page.get_by_role("slider", name="Accuracy")
        chart.focus()
        expect(chart).to_have_attribute("aria-valuenow", "2")
        for key, number, value in (
            ("ArrowLeft", 1, "50.0%"),
            ("ArrowLeft", 1, "50.0%"),
            ("End", 2, "80.0%"),
            ("Home", 1, "50.0%"),
        ):
            page.keyboard.press(key)
            expect(chart).to_have_attribute("aria-valuenow", str(number))
            expect(chart).to_have_attribute("aria-valuetext", re.compile(rf"\b{number}\b.*{value}"))
        expect(page.locator("[data-chart=accuracy] .hovertext").first).to_be_visible()
        table = page.locator(".live details")
        table.locator("summary").press("Enter")
        expect(table.locator("tbody tr").nth(1).locator("th, td")).to_have_text(["2", "1.000", "0.900", "50.0%", "80.0%"])
        store.log.append(run, [steps(21, 30), epoch(3, 30, val_accuracy=0.7)])
        expect(table.locator("tbody tr")).to_have_count(3)
        chart.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()  # for a branch from the chosen epoch
        expect(page.get_by_role("dialog").get_by_test_id("stAlert")).to_contain_text("1")
        assert_sound(page)


def test_the_other_curves_are_drawn_in_their_tabs_from_what_the_panel_receives(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), steps(11, 20)])
        visit(page, server, "train", f"?run={run}")
        page.get_by_role("tab", name=MORE_CURVES).click()
        drawn = "document.querySelector('[data-chart=gauge]')?.data?.[0]"
        page.wait_for_function(f"{drawn}?.x.length === 2")
        assert page.evaluate(f"[Array.from({drawn}.x), Array.from({drawn}.y)]") == [[1, 2], [0.001, 0.001]]
        page.get_by_role("combobox", name="Curve").select_option("images_per_second")
        page.wait_for_function(f"{drawn}?.y[0] === 1000")
        store.log.append(run, [steps(21, 30)])
        page.wait_for_function(f"{drawn}?.x.length === 3")
        assert_sound(page)
