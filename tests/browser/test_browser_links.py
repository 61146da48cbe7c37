"""Links in a browser: from a field to its glossary term by mouse, keyboard and touch, from a run to its model, and a form restored from its address."""

import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, expect

from cnn_core.config.defaults import make_config
from cnn_core.home import CARD, WEIGHTS
from cnn_core.lessons.glossary import read_glossary
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from pages.views.learn.glossary import OPEN_SETTING
from tests.browser.pilot import DONE, assert_sound, fill, go_to_tab, number_field, settle, visit

DROPOUT = re.compile(r"/learn\?view=Glossary&term=dropout")


def open_tip(page: Page) -> None:
    go_to_tab(page, "Regularisation")
    page.get_by_role("button", name="Help for Dropout").focus()


def assert_at_term(tab: Page) -> None:
    expect(tab).to_have_url(DROPOUT)
    tab.wait_for_selector(DONE)
    expect(tab.locator("h2", has_text=read_glossary()["dropout"].title)).to_be_visible()
    expect(tab.locator(".katex").first).to_be_visible()
    assert_sound(tab)


def test_the_help_of_a_field_leads_to_its_term_by_mouse_and_by_keyboard(page, server):
    visit(page, server, "configure")
    go_to_tab(page, "Regularisation")
    page.get_by_role("button", name="Help for Dropout").hover()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="In the glossary").click()
    assert_at_term(opened.value)
    opened.value.close()
    page.mouse.move(5, 5)
    expect(page.get_by_role("link", name="In the glossary")).to_have_count(0)
    number_field(page, "Dropout").focus()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="In the glossary")).to_be_visible()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    assert_at_term(opened.value)
    opened.value.close()


def test_a_stopped_run_opens_in_the_gallery_and_on_evaluate_although_newer_runs_have_models(page, server, store: Store):
    trained = store.home.run_folder("0001-digits")

    def copy_model(run: str, folder: Path) -> None:
        for name in (CARD, WEIGHTS):
            shutil.copy(trained / name, folder / name)

    stopped, newer = (store.create(make_config(), status="stopped", prepare=copy_model) for _ in range(2))
    visit(page, server, "train", f"?run={stopped}")
    for label, name in (("Open in Gallery", "gallery"), ("Evaluate", "evaluate")):
        page.get_by_test_id("stMain").get_by_role("link", name=label).click()
        expect(page).to_have_url(re.compile(f"/{name}.*run={stopped}"))
        page.wait_for_selector(DONE)
        expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile(stopped))
        visit(page, server, "train", f"?run={stopped}")
    for run in (stopped, newer):
        RunOrganizer(store).remove(run)
    assert_sound(page)


def test_the_help_of_a_field_leads_to_its_term_by_touch(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    visit(page, server, "configure")
    go_to_tab(page, "Regularisation")

    def tap(target) -> None:
        target.scroll_into_view_if_needed()
        box = target.evaluate("element => element.getClientRects()[0].toJSON()")  # the first line of a link on two lines
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "id": 1}
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    tap(page.get_by_role("button", name="Help for Dropout"))
    link = page.get_by_role("link", name="In the glossary")
    expect(link).to_be_visible()
    with page.context.expect_page() as opened:
        tap(link)
    assert_at_term(opened.value)
    opened.value.close()
    session.detach()


def test_a_term_links_to_related_terms_and_to_the_form(page, server):
    overfitting = read_glossary()["overfitting"].title
    visit(page, server, "learn", "?view=Glossary&term=dropout")
    settle(page)
    page.locator(".st-key-term-dropout-named").get_by_role("link", name=overfitting).click()
    expect(page.locator(".st-key-term-overfitting-named h2")).to_be_visible()
    expect(page).to_have_url(re.compile("term=overfitting"))
    page.go_back()
    expect(page.locator(".st-key-term-dropout-named h2")).to_be_visible()
    page.locator(".st-key-term-dropout-named").get_by_role("link", name=OPEN_SETTING).click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    assert_sound(page)


def assert_filled(page: Page) -> None:
    expect(number_field(page, "Epochs")).to_have_value("7")
    expect(page.get_by_role("combobox", name="Optimizer")).to_have_value("sgd")
    expect(page.get_by_role("combobox", name="Model")).to_have_value("ResNet-20")


def test_a_form_is_restored_from_its_address_by_reload_copied_link_and_back_button(open_tab, server):
    page = open_tab()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    visit(page, server, "configure", "?model=resnet20&optimizer=sgd")
    fill(page, "Epochs", 7)
    expect(page).to_have_url(f"{server.url}/configure?data=digits&model=resnet20&optimizer=sgd&epochs=7")
    page.reload()
    assert_filled(page)
    page.wait_for_selector(DONE)
    page.get_by_role("button", name="Copy link").click()
    page.locator(".copy button").click()
    expect(page.locator(".copy [role=status]")).not_to_be_empty()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    other = open_tab()
    other.goto(copied)
    assert_filled(other)
    assert_sound(other)
    page.keyboard.press("Escape")
    page.goto(f"{server.url}/configure?data=digits&model=simple&epochs=9")
    expect(number_field(page, "Epochs")).to_have_value("9")
    page.get_by_role("link", name="What these settings mean").click()
    expect(page.get_by_role("radiogroup", name="Topic")).to_be_visible()
    settle(page)
    page.go_back()
    expect(number_field(page, "Epochs")).to_have_value("9")
    assert_sound(page)


def test_a_change_made_just_before_start_is_in_the_run(page, server, store):
    visit(page, server, "configure", "?epochs=3&dropout=0.1")
    number_field(page, "Epochs").fill("1")
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile("/train.run="))
    expect(page.locator(".live")).to_be_visible()
    settle(page)
    run = store.runs()[0]
    assert (run.config.epochs, run.config.dropout) == (1, 0.1)
    page.locator(".live[data-status=finished]").wait_for()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)  # the page is rerun once when its run has ended
    page.reload()  # the form is in the browser's history alone
    settle(page)
    page.go_back()
    expect(number_field(page, "Epochs")).to_have_value("1")
    expect(page.get_by_test_id("stAlertContentWarning")).to_have_count(0)
    store.requests.stop(run.id)
