"""The Runs page in a browser: curves of selected runs grow on the same axes, the tree opens runs, and runs are downloaded."""

import csv
import io
import re
import zipfile

import numpy as np
from playwright.sync_api import expect

from cnn_core.config.defaults import make_config
from cnn_core.runs.organizer import RunOrganizer
from tests.browser.pilot import assert_sound, settle, use_module, visit
from tests.pages.manual_run import epoch, loss, started, steps, trained_here

CHART = "document.querySelector('.overlay-chart')"
ROW = 35  # pixels, of the table


def select_first(page, count):
    """Select the first rows of the table, which is drawn on a canvas."""
    table = page.locator("[data-testid=stDataFrame] canvas").first
    table.wait_for()
    for row in range(count):
        corner = table.bounding_box()
        page.mouse.click(corner["x"] + 18, corner["y"] + ROW * (row + 1.5))
        settle(page)


def test_chosen_runs_are_drawn_together_and_grow_while_they_train(page, server, store):
    with trained_here(store) as first, trained_here(store) as second:
        store.log.append(first, [started(), steps(1, 10), epoch(1, 10, val_accuracy=0.5)])
        store.log.append(
            second, [started(), steps(1, 10), epoch(1, 10, val_accuracy=0.7), steps(11, 20, 2), epoch(2, 20, val_accuracy=0.8)]
        )
        visit(page, server, "runs")
        select_first(page, 2)
        page.wait_for_function(
            f"{CHART}?.data?.length === 2 && {CHART}.data.every((curve) => curve.x.length)"
        )  # first drawn empty
        drawn = page.evaluate(f"{CHART}.data.map(({{name, x, y}}) => [name, [...x], [...y]])")
        assert drawn == [[second, [1, 2], [0.7, 0.8]], [first, [1], [0.5]]]
        expect(page.locator(".overlay")).to_have_attribute("data-active", "2")
        page.evaluate(f"{CHART}.theVeryNode = true")
        store.log.append(first, [steps(11, 20, 2), epoch(2, 20, val_accuracy=0.9)])
        page.wait_for_function(f"{CHART}.data[1].x.length === 2")
        page.get_by_text("step loss", exact=True).click()
        page.get_by_text("minutes", exact=True).click()
        page.wait_for_function(f"{CHART}.layout.xaxis.title.text === 'minutes' && {CHART}.data[1].y.length === 20")
        x, y = page.evaluate(f"[[...{CHART}.data[1].x], [...{CHART}.data[1].y]]")
        assert y == [loss(step) for step in range(1, 21)] and x == sorted(x) and 0 < x[-1] <= 0.2 / 60
        assert page.evaluate(f"{CHART}.theVeryNode")
        assert_sound(page)


def test_rows_are_ticked_and_unticked_with_the_keyboard(page, server, store):
    runs = [store.create(make_config(), status="finished") for _ in range(3)]
    visit(page, server, "runs")
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    page.get_by_label("Fullscreen").first.focus()
    page.keyboard.press("Tab")
    ticked = page.locator("[data-testid=stDataFrame] [role=row][aria-selected=true]")
    for keys, expected in ((["Shift+Space"], [2]), (["ArrowDown", "ArrowDown", "Shift+Space"], [2, 0]), (["Shift+Space"], [2])):
        for key in keys:
            page.keyboard.press(key)
        for row, number in enumerate(expected):
            expect(ticked.nth(row)).to_contain_text(runs[number])
        expect(ticked).to_have_count(len(expected))
    settle(page)
    page.get_by_role("link", name="Open").click()
    page.wait_for_url(f"**/train?run={runs[2]}")


def test_the_counts_on_the_page_are_those_after_a_run_is_removed(page, server, store):
    store.create(make_config(), status="finished", origin="lesson/dropout/1/A0")
    store.create(make_config(), status="finished")
    visit(page, server, "runs")
    box = page.get_by_role("combobox", name="Created by")
    count = int(re.findall(r"\d+", box.input_value())[0])
    select_first(page, 1)
    page.get_by_role("button", name="Remove 1 run").click()
    expect(box).to_have_value(re.compile(rf"\b{count - 1}\b"))
    assert_sound(page)


def test_the_long_name_of_a_run_is_whole_on_a_phone(page, server, store):
    run = store.create(make_config(), status="finished")
    RunOrganizer(store).describe(run, name="long " * 16)
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, server, "start")
    label = page.get_by_role("link", name=run).locator("span").first
    label.wait_for()
    assert label.evaluate("e => e.scrollWidth <= e.clientWidth") and label.bounding_box()["height"] > 30
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


def test_a_click_on_a_run_in_the_tree_opens_it(page, server, store):
    first = store.create(make_config(), status="finished")
    child = store.create(make_config(), status="finished", parent=first, parent_epoch=2)
    visit(page, server, "runs")
    name = page.locator(".js-plotly-plot .textpoint text", has_text=child)
    name.wait_for()
    name.scroll_into_view_if_needed()
    box = name.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] - 12)  # the point above its name
    page.wait_for_url(f"**/train?run={child}")
    settle(page)
    page.go_back()
    settle(page)
    expect(page.get_by_role("heading", name="Branches")).to_be_visible()  # a visit does not repeat the click
    assert_sound(page)


def test_selected_runs_are_downloaded_as_a_zip_of_tables(page, server, store):
    run = store.create(make_config(), status="finished")
    store.log.append(run, [started(), steps(1, 10)])
    visit(page, server, "runs")
    select_first(page, 1)
    page.get_by_role("button", name="Export").click()
    page.locator(".st-key-export-create button").click()
    with page.expect_download() as download:
        page.locator("[data-testid=stDownloadButton] button").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(f"{run}/steps.csv").decode("utf-8-sig"), newline="")))
    assert download.value.suggested_filename == "runs-csv.zip"
    assert [float(row["loss"]) for row in rows] == [loss(step) for step in range(1, 11)]
    assert_sound(page)


def test_smoothing_is_a_running_mean_without_a_bias_at_the_start(page):
    values = np.random.default_rng(0).random(50)
    weights = [[0.7 ** (row - column) if column <= row else 0 for column in range(50)] for row in range(50)]
    np.testing.assert_allclose(
        use_module(page, "shared/curves", "module.smooth(...given)", values.tolist(), 0.7),
        [np.average(values, weights=row) for row in weights],
    )
    np.testing.assert_allclose(use_module(page, "shared/curves", "module.smooth(...given)", values.tolist(), 0), values)


def test_the_minutes_of_steps_lie_between_the_moments_that_are_known(page):
    moments = [[0, 0], [10, 60], [30, 300]]
    expected = np.interp([1, 10, 15, 30], *zip(*moments, strict=True)) / 60
    np.testing.assert_allclose(
        use_module(page, "overlay/overlay", "module.minutesAt(...given)", [1, 10, 15, 30], moments), expected
    )
    assert use_module(page, "overlay/overlay", "module.minutesAt(...given)", [1, 2], [[0, 0]]) == [0, 0]
