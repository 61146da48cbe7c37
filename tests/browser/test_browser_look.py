"""Every page in a browser: no request to another host, no traceback, legible text, and no horizontal scrolling on a phone."""

from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import TimeoutError, expect

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from pages.shared.text import WORD_JOINER
from tests.browser.pilot import DONE, PAGES, assert_sound, await_points, visit
from tests.pages.manual_run import epoch, started, steps
from tests.pages.test_text import HOSTILE

PHONE = {"width": 390, "height": 844}
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 19, 27)"}
# No name of a run, but Markdown with an image on another host and a script; wrong values of other parameters.
NONSENSE = "?run=" + quote("../![image](http://192.0.2.1/x.png)<script>alert(1)</script>") + "&x=%00&page=-1"

MIN_CONTRAST = 4.5  # to 1: WCAG 2.2, level AA
# The contrast to the background of the page, of captions, their links, and the text at the axes of charts.
CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => colour.slice(0, 3).map((x) => x / 255).map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = numbers(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor), contrasts = {};
  const words = "[data-testid=stCaptionContainer] :is(p, a), .js-plotly-plot [class*=tick] text, .js-plotly-plot text[class*=title]";
  for (const element of document.querySelectorAll(words)) {
    const style = getComputedStyle(element), ink = numbers(element.localName === "text" ? style.fill : style.color);
    let opacity = ink[3] ?? 1;
    for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const [dark, bright] = [light(paper), light(ink.slice(0, 3).map((x, i) => x * opacity + paper[i] * (1 - opacity)))].sort((a, b) => a - b);
    contrasts[element.textContent.slice(0, 40)] = (bright + 0.05) / (dark + 0.05);
  }
  return contrasts;
}"""
# What is wrong for a finger or at the width of a phone: controls below 24 px, and toolbars of tables over the text before them.
FAULTS = """() => {
  const main = document.querySelector("[data-testid=stMain]"), box = (element) => element.getBoundingClientRect(), faults = [];
  for (const control of main.querySelectorAll("button, summary, input[type=range]")) {
    const { width, height } = box(control);
    if (control.checkVisibility() && width > 1 && Math.min(width, height) < 24) faults.push(control.outerHTML.slice(0, 120));
  }
  for (const bar of main.querySelectorAll("[data-testid=stElementToolbar]")) {
    const before = bar.closest("[data-testid=stElementContainer]").previousElementSibling;
    if (before && box(bar).top < box(before).bottom - 1) faults.push(before.outerHTML.slice(0, 120));
  }
  return faults;
}"""
UNSTYLED_FRAMES = 2  # in which the place is there, and its style is not yet


@pytest.fixture(scope="module", autouse=True)
def newest_run(server_store):
    """Make a run with curves, which the page Train shows where no run is named, whatever the tests of other files left."""
    server_store.log.append(server_store.create(make_config(), status="finished"), [started(), steps(1, 10), epoch(1, 10)])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_a_nonsense_address_works_on_a_phone_in_both_themes(page, server, traffic, name):
    page.set_viewport_size(PHONE)
    visit(page, server, name, NONSENSE)
    assert_sound(page)
    expect(page).to_have_title(f"{name.title()} · CNN Studio")
    if name == "train":
        await_points(page, 1)
    if name == "evaluate":
        page.locator("[data-testid=stPlotlyChart] .main-svg").first.wait_for()
    with suppress(TimeoutError):  # the style of the frame may come some frames after the controls
        page.wait_for_function(f"({FAULTS})().length === 0")
    assert page.evaluate(FAULTS) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("[data-testid=stApp]")).to_have_css("background-color", BACKGROUND[scheme])
        widths = page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')].map((e) => e.scrollWidth)"
        )
        assert max(widths) <= PHONE["width"], scheme
        faint = {text: contrast for text, contrast in page.evaluate(CONTRASTS).items() if contrast < MIN_CONTRAST}
        assert faint == {}, scheme
    expect(page.locator("[data-testid=stMain] img[src*='192.0.2.1']")).to_have_count(0)
    assert traffic.foreign == []


def test_no_page_sends_requests_to_another_host(page, server, traffic):
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
    assert any("/api/runs/" in url for url in traffic.urls) and any("plotly" in url for url in traffic.urls)
    assert traffic.foreign == []


@pytest.mark.parametrize("texts", [HOSTILE[:3], HOSTILE[3:]], ids=["links, colours", "icons, emphasis, code"])
def test_text_from_a_link_is_shown_literally(page, server, texts):
    wrong = dict(zip(("epochs", "batch_size", "learning_rate"), texts, strict=True))
    visit(page, server, "configure", f"?data=digits&{urlencode(wrong)}")
    refusal = page.locator("[data-testid=stAlert]").filter(has_text=title("epochs"))
    expect(refusal).to_be_visible()
    shown = refusal.inner_text().replace(WORD_JOINER, "")
    assert [text for text in texts if f"“{text}”" not in shown] == []
    expect(refusal.locator("a, img, em, strong, del, code, [style*=background], .stMarkdownColoredText")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_does_not_jump_when_the_live_panel_appears(page, server, width):
    page.add_init_script("""window.heights = []; (function record() {
        const place = document.querySelector("[class*=st-key-live-]");
        if (place && !place.querySelector(".live")) 
            window.heights.push([place.getBoundingClientRect().height, parseFloat(getComputedStyle(place).minHeight) > 0]);
        requestAnimationFrame(record);
    })();""")
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, server, "train", "?run=0001-digits")
    await_points(page, 1)
    panel = page.locator(".live").bounding_box()["height"]
    heights = page.evaluate("window.heights")
    drawn = [height for height, is_styled in heights if is_styled]
    assert sum(not height for height, _ in heights) <= UNSTYLED_FRAMES
    before = (drawn or [panel])[-1]  # a fast browser may show both at once
    assert before == pytest.approx(panel, rel=0.15)


def test_a_link_with_keyboard_focus_has_an_outline(page, server):
    visit(page, server, "start")
    page.get_by_role("button", name="Train on digits now").focus()
    for _ in range(2):  # skip the heading of the card
        page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Evaluate a run")
    expect(link).to_be_focused()
    expect(link).to_have_css("outline-style", "solid")
