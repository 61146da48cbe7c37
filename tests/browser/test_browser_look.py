"""What every page owes in a browser: no other host is asked, no traceback is shown, and a phone needs no sideways scrolling."""

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from pages.ui.text import WORD_JOINER
from tests.browser.pilot import DONE, PAGES, assert_sound, await_points, visit
from tests.pages.test_text import HOSTILE

PHONE = {"width": 390, "height": 844}
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 19, 27)"}
# Far more than a run's name, and an image that a page which took it for Markdown would fetch from another host.
NONSENSE = "?run=" + quote("../![picture](http://192.0.2.1/x.png)<script>alert(1)</script>") + "&x=%00&page=-1"


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_and_asked_for_nonsense_a_page_is_sound_needs_no_sideways_scrolling_and_asks_no_other_host(
    page, server, watched, name
):
    page.set_viewport_size(PHONE)
    visit(page, server, name, NONSENSE)
    assert_sound(page)
    if name == "train":
        await_points(page, 1)
    if name == "evaluate":
        page.locator("[data-testid=stPlotlyChart] .main-svg").first.wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("[data-testid=stApp]")).to_have_css("background-color", BACKGROUND[scheme])
        widths = page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')].map((e) => e.scrollWidth)"
        )
        assert max(widths) <= PHONE["width"], scheme
    expect(page.locator("[data-testid=stMain] img[src*='192.0.2.1']")).to_have_count(0)
    assert watched.foreign == []


def test_a_walk_through_every_page_asks_nobody_but_this_machine(page, server, watched):
    visit(page, server, "start")
    for name in PAGES[1:]:
        page.locator("[data-testid=stSidebarNavLink]").get_by_text(name.title(), exact=True).click()
        page.wait_for_url(f"**/{name}*")
        page.wait_for_selector(DONE)
        if name == "train":
            page.locator(".live-chart .main-svg").first.wait_for()
        if name == "gallery":
            page.get_by_text("Test images", exact=True).click()
            page.locator(".picker img").first.wait_for()
        assert_sound(page)
    assert any("/api/runs/" in url for url in watched.urls) and any("plotly" in url for url in watched.urls)
    assert watched.foreign == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_link_gives_is_shown_letter_for_letter_and_leads_nowhere(page, server, text):
    visit(page, server, "configure", "?data=digits&epochs=" + quote(text))
    refusal = page.locator("[data-testid=stAlert]").filter(has_text="Not all of the link was taken")
    expect(refusal).to_be_visible()
    assert f"“{text}” was given." in refusal.inner_text().replace(WORD_JOINER, "")
    expect(refusal.locator("a, img, em, strong, del, code, [style*=background], .stMarkdownColoredText")).to_have_count(0)
