"""A search in a browser: started on the page, watched to its end, cancelled and resumed; its best settings open in the form."""

import re

import pytest
from playwright.sync_api import expect

from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import parse_space
from cnn_core.text import counted
from pages.shared.data_and_model import FOLDER_TITLE
from pages.views.search.status import ENDED, STATUS
from tests.browser.conftest import TIMEOUT
from tests.browser.pilot import assert_sound, fill, number_field, pick, settle, visit
from tests.helpers import tiny_config, write_images

WIDE = "document.querySelector('.wide-chart')"
BADGE = ".st-key-search-status .stMarkdownBadge"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("search") / "pictures")


def all_ended(trials):
    return re.compile("^" + re.escape(ENDED.format(ended=trials, trials=counted(trials, "trial"))))


def test_a_search_of_three_trials_runs_to_its_end_and_its_best_settings_fill_the_form(page, server, store, image_folder):
    visit(page, server, "search")
    pick(page, "Data set", FOLDER_TITLE)
    folder = page.get_by_role("textbox", name="Folder or zip archive")
    folder.fill(str(image_folder))
    folder.press("Tab")
    settle(page)
    page.locator(".st-key-search-settings").get_by_role("combobox").click()
    page.keyboard.type("Dropout")
    page.get_by_role("option", name="Dropout", exact=True).click()
    page.keyboard.press("Escape")
    settle(page)
    page.locator("[data-testid=stExpander] summary").click()
    fill(page, "Epochs", 3)
    fill(page, "Batch size", 8)
    fill(page, "Trials", 3)
    page.get_by_role("button", name="Start search").click()
    page.wait_for_url("**/search?search=pictures+1")
    expect(page.get_by_text(all_ended(3))).to_be_visible(timeout=2 * TIMEOUT)
    searches = SearchStore(store.home)
    expect(page.locator(BADGE)).to_contain_text(STATUS["done"][2])
    page.wait_for_function(f"{WIDE}?.data?.[0].dimensions.length === 3")
    trials, best = searches.trials("pictures 1"), searches.best("pictures 1")
    drawn = page.evaluate(f"{WIDE}.data[0].dimensions.at(-1).values")
    assert drawn == [trial.value for trial in trials if trial.value is not None]
    expect(page.locator("[data-testid=stMetricValue]").first).to_have_text(f"{best.value:.2%}")
    assert_sound(page)
    page.get_by_role("button", name="Use these settings").first.click()
    page.wait_for_url("**/configure*")
    expect(number_field(page, "Learning rate")).to_have_value(f"{best.settings['learning_rate']:g}")
    expect(number_field(page, "Epochs")).to_have_value("3")
    assert_sound(page)


def test_a_search_is_cancelled_and_resumed_and_its_chart_scrolls_on_a_phone(page, server, store, image_folder):
    searches = SearchStore(store.home)
    space = parse_space(["learning_rate=0.0001..0.05 log", "dropout=0..0.5", "batch_norm=on,off"])
    searches.create(SearchPlan("many", tiny_config(image_folder, epochs=1), space, trials=50, prune=False))
    page.set_viewport_size(PHONE)
    visit(page, server, "search", "?search=many")
    page.wait_for_function(f"{WIDE}?.data?.[0].dimensions[0].values.length >= 3")
    page.evaluate(f"{WIDE}.theVeryNode = true")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(BADGE)).to_contain_text(STATUS["cancelled"][2])
    tried = len(searches.trials("many"))
    assert page.evaluate(f"{WIDE}.theVeryNode")  # trials that ended meanwhile were drawn into it
    frame = page.locator(".wide-frame")
    frame.scroll_into_view_if_needed()
    expect(page.locator(".wide-note")).to_be_visible()
    inside, outside = frame.evaluate("(e) => [e.scrollWidth, e.clientWidth]")
    assert inside > outside and page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= PHONE["width"]
    frame.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wide-frame').scrollLeft > 0")
    page.get_by_role("button", name="Resume").click()
    total = page.locator("[class*=st-key-more-] input")
    total.fill(str(tried + 1))
    total.press("Tab")
    settle(page)
    page.locator(".st-key-search-resume button").click()
    expect(page.get_by_text(all_ended(tried + 1))).to_be_visible(timeout=2 * TIMEOUT)
    expect(page.locator(BADGE)).to_contain_text(STATUS["done"][2])
    assert_sound(page)
