"""The evaluate page in a browser: cells of the confusion matrix show their images, views have addresses, long work is cancelled."""

import os
import re

import numpy as np
from playwright.sync_api import expect

from cnn_core.data.source import finish
from cnn_core.home import WEIGHTS
from cnn_core.metrics.evaluation import evaluate_run, save_evaluation
from pages.shared.address import MORE
from pages.shared.progress import CANCELLED_TEXT
from tests.browser.pilot import assert_sound, settle, visit

RUN = "0001-digits"
ADDRESS = f"?run={RUN}&view=Confusion+matrix"
PHONE = {"width": 390, "height": 844}


def save_mistakes(store):
    """Save an evaluation of the run on validation images with invented mistakes, and return it."""
    config = store.run(RUN).config
    os.utime(
        store.home.run_folder(RUN) / WEIGHTS
    )  # the server may have evaluated the run for another test: new weights, new evaluation
    real = finish(evaluate_run(RUN, config, store.home, split="val"))
    rng = np.random.default_rng(0)
    logits = (2 * rng.standard_normal(real.logits.shape)).astype(np.float32)
    logits[np.arange(len(real)), real.labels] += 3
    folder = store.home.run_folder(RUN)
    save_evaluation(folder, real.key, type(real)(real.classes, logits, real.labels))
    return finish(evaluate_run(RUN, config, store.home, split="val"))


def shown(page):
    """Return the numbers of the images in the grid."""
    return sorted(
        int(re.search(r"image (\d+),", label).group(1))
        for label in page.locator(".picker img").evaluate_all("all => all.map(e => e.alt)")
    )


def cell(page, true, predicted):
    return page.locator(f".matrix button[data-cell='{true}-{predicted}']")


def test_a_click_on_a_cell_shows_its_images_and_the_table_stays(page, server, store):
    evaluation = save_mistakes(store)
    wrong = evaluation.confusion - np.diag(evaluation.confusion.diagonal())
    (true, predicted), count = np.unravel_index(wrong.argmax(), wrong.shape), int(wrong.max())
    predicted_labels = evaluation.logits.argmax(1)
    visit(page, server, "evaluate", ADDRESS)
    page.get_by_role("radio", name="validation").click()
    settle(page)
    button = cell(page, true, predicted)
    expect(button).to_have_text(str(count))
    fraction = count / (evaluation.labels == true).sum()
    expect(button).to_have_attribute("aria-label", f"true {true}, predicted {predicted}: {count} images ({100 * fraction:.1f}%)")
    page.evaluate("document.querySelector('.matrix table').theVeryNode = true")

    button.click()
    heading = page.get_by_role("heading", name=re.compile(rf"^{count}\b.*\b{true}\b.*\b{predicted}\b"))
    expect(heading).to_be_in_viewport()
    expect(page.locator(".picker img")).to_have_count(count)
    assert shown(page) == np.flatnonzero((evaluation.labels == true) & (predicted_labels == predicted)).tolist()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator(".st-key-matrix-back button").click()
    expect(heading).to_have_count(0)
    expect(button).to_be_in_viewport()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "false")

    other = int(np.flatnonzero(evaluation.confusion[true])[0])  # another cell of that row, by the keyboard
    page.keyboard.press("Home")
    for _ in range(other):
        page.keyboard.press("ArrowRight")
    expect(cell(page, true, other)).to_be_focused()
    page.keyboard.press("Enter")
    expected = np.flatnonzero((evaluation.labels == true) & (predicted_labels == other))
    expect(page.locator(".picker img")).to_have_count(min(len(expected), 24))
    assert set(shown(page)) <= set(expected.tolist())
    assert page.evaluate("document.querySelector('.matrix table').theVeryNode === true")
    assert_sound(page)


def test_on_a_phone_the_matrix_scrolls_and_the_class_names_stay(page, server, store):
    page.set_viewport_size(PHONE)
    visit(page, server, "evaluate", ADDRESS)
    frame, head = page.locator(".matrix-frame"), page.locator(".matrix tbody th").first
    page.locator(".matrix button").first.wait_for()
    assert frame.evaluate("e => e.scrollWidth > e.clientWidth")
    left = head.bounding_box()["x"]
    frame.evaluate("e => { e.scrollLeft = 200; }")
    assert abs(head.bounding_box()["x"] - left) <= 1  # the space between cells
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= PHONE["width"]
    page.get_by_role("radio", name="fractions").click()
    expect(page.locator(".matrix button").first).to_have_text(re.compile("%$"))
    assert_sound(page)


def test_every_view_can_be_chosen_and_is_in_the_address(page, server):
    visit(page, server, "evaluate", f"?run={RUN}&view=Calibration")
    more = page.get_by_role("radio", name=MORE, exact=True)
    for name in ("Metrics", "Mistakes", MORE, "Export", "Compare"):
        choice = page.get_by_role("radio", name=name, exact=True)
        choice.click()
        settle(page)
        expect(choice).to_be_checked()
        if name != MORE:
            expect(page).to_have_url(re.compile(rf"view={name}(&|$)"))
    page.reload()
    expect(page.get_by_role("radio", name="Compare", exact=True)).to_be_checked()
    expect(more).to_be_checked()


def test_long_work_can_be_cancelled_and_restarted_while_another_tab_is_used(page, server, open_tab):
    visit(page, server, "evaluate", f"?run={RUN}&view=Mistakes&list=Probable+label+errors")
    page.get_by_role("radio", name="training", exact=True).click()
    settle(page)
    page.locator(".st-key-cross-validate button").click()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    other = open_tab()
    visit(other, server, "evaluate", f"?run={RUN}&view=Calibration")
    other.locator("[data-testid=stPlotlyChart] .main-svg").first.wait_for()
    expect(cancel).to_be_visible()
    cancel.click()
    page.get_by_text(CANCELLED_TEXT).wait_for(timeout=10_000)
    page.get_by_role("button", name="Start again").click()
    cancel.wait_for()
    cancel.click()
    page.get_by_text(CANCELLED_TEXT).wait_for(timeout=10_000)
    assert_sound(page)
