"""The configure page in a browser: it is painted before torch is loaded, fits a phone and works without a mouse."""

import json
import re

from playwright.sync_api import expect

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import GROUPS
from pages.charts.learning_rate import SUGGESTED
from tests.browser.pilot import DONE, assert_sound, fill, go_to_tab, number_field, pick, settle, visit
from tests.pages.studio_harness import Server

FIGURE = "[data-testid=stMetricValue]"
UNNAMED_CONTROLS = """() => [...document.querySelectorAll("[data-testid=stMain] :is(input, button, textarea, select, [role=tab])")]
    .filter((e) => e.checkVisibility() && e.type !== "file")
    .filter((e) => !(e.getAttribute("aria-label") || e.innerText || e.title || e.labels?.[0]?.innerText))
    .map((e) => e.outerHTML.slice(0, 200))"""


TRIES = 4
RECORD = """
window.records = [];
new MutationObserver(() => {
  const figure = document.querySelector("[data-testid=stMetricValue]");
  const start = [...document.querySelectorAll("button")].find((button) => button.textContent.includes("Start training"));
  if (figure) window.records.push([figure.textContent.trim(), start ? start.getBoundingClientRect().top : null]);
}).observe(document, { childList: true, subtree: true, characterData: true });
"""  # the text of the first figure and the position of the button, at every change of the page


def test_the_form_is_painted_before_the_costs_are_known_and_does_not_move_when_they_arrive(open_tab, tmp_path):
    # On a busy machine the browser may get everything at once, but not every time.
    for number in range(TRIES):
        server = Server(tmp_path / str(number))
        try:
            assert not server.has_loaded("libtorch")
            page = open_tab()
            page.add_init_script(RECORD)
            page.goto(f"{server.url}/configure")
            expect(number_field(page, "Epochs")).to_have_value("25")
            expect(page.locator(FIGURE).first).to_have_text("505,578")
            records = page.evaluate("window.records")
            final = page.get_by_role("button", name="Start training").bounding_box()["y"]
            # In a slow browser the figure may appear together with the button; otherwise the button must not have moved.
            assert [top for text, top in records if text == "…" and top is not None][-1:] in ([], [final])
            assert_sound(page)
            server.stop()
        finally:
            server.process.kill()
        if records[0][0] == "…":
            return
    raise AssertionError(f"the form was painted only after the costs in {TRIES} of {TRIES} tries")


def test_the_learning_rate_finder_shows_progress_and_its_result_is_applied_by_keyboard(page, server):
    visit(page, server, "configure")
    page.get_by_role("button", name="Find a learning rate").click()
    expect(page.locator("[data-testid=stProgress]")).to_be_visible()
    use = page.get_by_role("button", name="Use ")
    use.wait_for()
    suggested = use.inner_text().split()[-1]
    page.locator("[data-testid=stPlotlyChart] .main-svg").first.wait_for()
    assert SUGGESTED.format(rate=float(suggested)) in page.locator("[data-testid=stPlotlyChart]:visible").text_content()
    use.focus()
    page.keyboard.press("Enter")
    expect(number_field(page, "Learning rate")).to_have_value(suggested)
    assert_sound(page)


def test_settings_are_saved_to_a_file_and_loaded_from_it(page, server, tmp_path):
    visit(page, server, "configure")
    pick(page, "Optimizer", "muon")
    fill(page, "Epochs", 7)
    go_to_tab(page, "Schedule")
    pick(page, "Schedule", "linear")
    expect(page).to_have_url(re.compile("schedule=linear"))  # the rerun has come here that also brings the file to save
    page.wait_for_selector(DONE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save settings").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert json.loads(saved.read_text()) == make_config(optimizer="muon", epochs=7, schedule="linear").model_dump()
    visit(page, server, "configure")
    expect(number_field(page, "Epochs")).to_have_value("25")
    page.get_by_text("Load settings").click()
    expect(page.locator("[data-testid=stFileUploaderDropzone]")).to_be_visible()
    settle(page)  # a file that is chosen in a field that goes away is lost
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(saved)
    expect(number_field(page, "Epochs")).to_have_value("7")
    expect(page.get_by_role("combobox", name="Optimizer")).to_have_value("muon")
    go_to_tab(page, "Schedule")
    expect(page.get_by_role("textbox", name="Knots")).to_be_visible()
    page.locator("[data-testid=stPlotlyChart]:visible .main-svg").first.wait_for()
    assert_sound(page)


def test_every_tab_fits_a_phone_works_by_keyboard_and_names_its_controls(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, server, "configure")
    first, below = (page.get_by_role("button", name=name).bounding_box() for name in ("Start training", "Save settings"))
    assert below["x"] == first["x"] and below["y"] > first["y"], "the buttons fill their rows"
    tabs = page.get_by_role("tab")
    tabs.first.focus()
    for number, group in enumerate(GROUPS):
        if number:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name=group, exact=True)).to_have_attribute("aria-selected", "true")
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
        assert page.evaluate(UNNAMED_CONTROLS) == []
    go_to_tab(page, "Augmentation")
    page.get_by_role("button", name="Show the first batch").click()
    page.locator(".shots img").first.wait_for()
    settle(page)
    assert all(page.locator(".shots img").evaluate_all("images => images.map((i) => i.alt)"))
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    assert_sound(page)
