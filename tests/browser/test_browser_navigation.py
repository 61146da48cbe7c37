"""Going from page to page in a browser: the focus, the menu on a phone, and what a screen reader hears of icons."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pilot import DONE, assert_sound, names_of_icons, settle, visit
from tests.pages.studio_harness import Server

PHONE = {"width": 390, "height": 844}
MENU = "[data-testid=stSidebar]"
KEEPS_HISTORY = "!history.pushState.toString().includes('[native code]')"  # the component that is loaded with the first page


def choose(page: Page, name: str) -> None:
    page.locator("[data-testid=stSidebarNavLink]").get_by_text(name.title(), exact=True).click()
    page.wait_for_url(f"**/{name}*")
    page.wait_for_selector(DONE)


IS_SEEN = """() => {
    const heading = document.querySelector("h1"), { x, y, height } = heading.getBoundingClientRect();
    return heading.contains(document.elementFromPoint(x + 5, y + height / 2));
}"""


def test_on_a_phone_the_menu_closes_after_a_choice_and_the_heading_has_the_focus(page: Page, server: Server):
    page.set_viewport_size(PHONE)
    visit(page, server, "start")
    menu = page.locator(MENU)
    expect(menu).to_have_attribute("data-collapsed", "true")
    for name in ("runs", "learn"):
        page.get_by_test_id("stExpandSidebarButton").click()
        expect(menu).to_have_attribute("data-collapsed", "false")
        choose(page, name)
        expect(menu).to_have_attribute("data-collapsed", "true")
        expect(page.locator("h1")).to_be_focused()
        page.wait_for_function(IS_SEEN)  # Streamlit's header does not cover it
    assert_sound(page)


def test_on_a_wide_window_the_menu_stays_and_the_heading_has_the_focus(page: Page, server: Server):
    visit(page, server, "start")
    page.evaluate("localStorage.clear()")  # where Streamlit keeps that the menu was closed, also for wider windows
    visit(page, server, "start")
    expect(page.locator("body")).to_be_focused()  # the browser reads the first page of a tab by itself
    choose(page, "gallery")
    expect(page.locator("h1")).to_be_focused()
    page.wait_for_function(IS_SEEN)
    expect(page.locator(MENU)).to_have_attribute("data-collapsed", "false")
    page.get_by_test_id("stMain").get_by_role("radio").first.click()  # the same page again
    page.wait_for_selector(DONE)
    expect(page.locator("h1")).not_to_be_focused()
    assert_sound(page)


def test_back_leaves_a_page_in_one_press_and_returns_to_the_view_before(page: Page, server: Server):
    visit(page, server, "start")
    page.wait_for_function(KEEPS_HISTORY)
    choose(page, "train")
    choose(page, "evaluate")
    expect(page).to_have_url(re.compile(r"view=Metrics"))
    page.get_by_role("radio", name="Mistakes", exact=True).click()
    expect(page).to_have_url(re.compile(r"view=Mistakes"))
    for address, drawn in (
        (r"/evaluate\?run=[\w-]+&.*view=Metrics$", page.get_by_role("radio", name="Metrics", exact=True, checked=True)),
        (r"/train\?run=[\w-]+$", page.get_by_role("heading", name="Train", exact=True)),
        (f"^{re.escape(server.url)}/$", page.locator("h1")),
    ):
        settle(page)
        page.go_back()
        expect(page).to_have_url(re.compile(address))
        expect(drawn).to_be_visible()  # its script has begun, and its end is awaited before the next press
    assert_sound(page)


SWITCH = """async ([parameters, page]) => {
    const opened = location.href;
    dispatchEvent(new Event("pointerdown"));
    for (const query of parameters) history.pushState({}, "", query); // as Streamlit does for each parameter of the page that follows
    history.pushState({}, "", page + parameters.at(-1));
    await new Promise((resolve) => { addEventListener("popstate", resolve, { once: true }); history.back(); });
    return [opened, location.href];
}"""


@pytest.mark.parametrize("parameters", [["?made=all"], ["?made=all", "?made=all&view=x"], ["?a=1", "?a=1&b=2", "?a=1&b=2&c=3"]])
def test_parameters_that_are_written_before_a_switch_leave_no_entry_of_the_page_before(
    page: Page, server: Server, parameters: list[str]
):
    visit(page, server, "runs")
    page.wait_for_function(KEEPS_HISTORY)
    opened, returned = page.evaluate(SWITCH, [parameters, "/learn"])
    assert returned == opened
    assert_sound(page)


@pytest.mark.parametrize("name", ["train", "start"])
def test_the_names_of_icons_are_not_read_out(page: Page, server: Server, name: str):
    visit(page, server, name, "?run=0001-digits" if name == "train" else "")
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge [role=img]").first
    expect(badge).to_be_attached()
    expect(badge).to_have_attribute("aria-hidden", "true")
    assert names_of_icons(page) == []
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Open in Gallery", exact=True)).to_be_visible()
