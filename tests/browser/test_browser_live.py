"""The live panel of a running run in a browser: points are added to the same chart, which survives reruns, reloads and themes."""

from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from cnn_core.events import Note, Paused, Progress, StageStarted
from cnn_core.runs.chart_columns import describe_trained
from cnn_core.runs.curve import decimate
from pages.shared.run_selection import STATUS
from pages.views.train.more import MORE_CURVES
from tests.browser.pilot import LOSS, assert_sound, await_drawn, await_points, figure, points, use_module, visit
from tests.pages.manual_run import epoch, loss, started, steps, trained_here

HEAD_STAGE, ALL_STAGE = StageStarted("head", 1, 2, 2562, 3_373_570), StageStarted("all", 2, 2, 3_373_570, 3_373_570)
MARK = f"{LOSS}.theVeryNode = true"
IS_MARKED = f"{LOSS}.theVeryNode === true"
FILL = """() => [...document.querySelectorAll(".live-chart")].every(
    (chart) => chart.clientWidth && Math.abs(chart._fullLayout?.width - chart.clientWidth) < 1)"""
RANGES = f"[...{LOSS}.layout.xaxis.range, ...{LOSS}.layout.yaxis.range]"


def test_steps_epochs_and_the_star_of_the_best_epoch_appear_live_without_a_rerun(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [Note("Left out: <img src=x onerror=alert(1)>.png is damaged."), started(), HEAD_STAGE])
        visit(page, server, "train", f"?run={run}")
        expect(page.locator(".live")).to_have_attribute("data-empty", "true")
        page.wait_for_timeout(500)  # in this time a chart without points would be drawn, which has no size yet
        store.log.append(run, [steps(1, 4)])
        await_points(page, 4)
        assert page.evaluate(f"{LOSS}._fullLayout.width") == pytest.approx(page.evaluate(f"{LOSS}.clientWidth"), abs=1)
        expect(page.locator(".live-notes li")).to_have_text("Left out: <img src=x onerror=alert(1)>.png is damaged.")
        trained = page.get_by_role("status").filter(has_text=describe_trained(HEAD_STAGE)["detail"])
        expect(trained).to_contain_text(describe_trained(HEAD_STAGE)["text"])
        page.evaluate(MARK)
        page.evaluate("window.reruns = 0")
        page.evaluate(
            """() => new MutationObserver(() => window.reruns++).observe(
                document.querySelector("[data-testid=stApp]"), {attributeFilter: ["data-test-script-state"]})"""
        )
        for number, (last, accuracy) in enumerate(((10, 0.5), (20, 0.8), (30, 0.7)), start=1):
            store.log.append(run, [steps(last - 5 if number == 1 else last - 9, last, number)])
            store.log.append(run, [epoch(number, last, is_best=accuracy != 0.7, val_accuracy=accuracy)])
            page.wait_for_function(f"count => {LOSS}.data[2].x.length === count", arg=number)
        store.log.append(run, [ALL_STAGE])
        expect(page.get_by_role("status").filter(has_text=describe_trained(ALL_STAGE)["detail"])).to_be_visible()
        assert points(page) == list(range(1, 31))
        assert page.evaluate(f"Array.from({LOSS}.data[1].x)") == [1, 2, 3]
        star = page.evaluate(f"(({{name, x, marker}}) => ({{name, x: Array.from(x), symbol: marker.symbol}}))({LOSS}.data[3])")
        assert star == {"name": "best", "x": [2], "symbol": "star"}
        shown = figure(page, "best"), figure(page, "accuracy"), figure(page, "epoch")
        assert shown == ("80.0% epoch 2", "70.0% epoch 3", "3 / 4")
        assert page.locator(".live-step").inner_text() == "step 30 of 40"
        assert page.locator(".live-bar").get_attribute("aria-valuenow") == "75"
        assert page.evaluate(IS_MARKED), "the chart is still the node it was"
        assert page.evaluate("window.reruns") == 0, "the page has not been run again"


def test_chart_and_zoom_survive_updates_a_rerun_of_the_page_and_a_change_of_the_theme(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(1000, 1), steps(1, 50)])
        visit(page, server, "train", f"?run={run}")
        await_points(page, 50)
        page.evaluate(MARK)
        box = page.locator("[data-chart=loss] .nsewdrag").first.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.7, steps=5)
        page.mouse.up()
        zoomed = page.evaluate(RANGES)
        assert 0.005 < zoomed[0] < zoomed[1] < 0.04
        for last in range(60, 101, 10):
            store.log.append(run, [steps(last - 9, last)])
            await_points(page, last)
        page.get_by_role("tab", name=MORE_CURVES).click()
        page.keyboard.press("r")  # Streamlit's key to rerun the page
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        light = page.evaluate(f"{LOSS}.layout.font.color")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"light => {LOSS}.layout.font.color !== light", arg=light)
        store.log.append(run, [steps(101, 110)])
        await_points(page, 110)
        assert page.evaluate(RANGES) == zoomed
        assert page.evaluate(IS_MARKED)
        assert points(page) == list(range(1, 111))


def test_the_curves_fill_their_cards_after_a_stage_without_curves_and_beside_a_closed_sidebar(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(1000, 1), Progress("Reading", 1, 9)])
        visit(page, server, "train", f"?run={run}")
        expect(page.locator(".live-stage")).to_have_text("Reading 1 of 9")
        expect(page.locator(".live-bar")).to_have_attribute("aria-valuenow", "11")
        page.wait_for_timeout(500)  # in this time the charts, which are still hidden, would be drawn
        store.log.append(run, [steps(1, 50)])
        await_points(page, 50)
        page.wait_for_function(FILL)
        narrow = page.evaluate(f"{LOSS}.clientWidth")
        page.get_by_test_id("stSidebar").hover()
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        page.wait_for_function(f"narrow => {LOSS}.clientWidth > narrow", arg=narrow)
        page.wait_for_function(FILL)
        page.get_by_test_id("stExpandSidebarButton").click()
        page.wait_for_function(f"narrow => {LOSS}.clientWidth === narrow", arg=narrow)
        page.wait_for_function(FILL)


def test_a_reloaded_tab_and_a_second_tab_show_the_same_live_run(page, open_tab, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(1000, 1), steps(1, 50)])
        visit(page, server, "train", f"?run={run}")
        await_points(page, 50)
        store.log.append(run, [steps(51, 60)])
        page.reload()
        await_points(page, 60)
        second = open_tab()
        visit(second, server, "train")
        await_points(second, 60)
        store.log.append(run, [steps(61, 70)])
        for tab in (page, second):
            await_points(tab, 70)
            assert points(tab) == list(range(1, 71))
            assert f"run={run}" in tab.url


def test_points_missed_while_offline_arrive_after_reconnection(page, server, store):
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")

    def connect(is_connected):
        conditions = {"offline": not is_connected, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        network.send("Network.emulateNetworkConditions", conditions)

    with trained_here(store) as run:
        store.log.append(run, [started(1000, 1), steps(1, 20)])
        visit(page, server, "train", f"?run={run}")
        await_points(page, 20)
        page.evaluate(MARK)
        connect(False)
        for last in range(30, 101, 10):
            store.log.append(run, [steps(last - 9, last)])
        page.wait_for_timeout(1000)  # in this time an open connection would bring them
        connect(True)
        store.log.append(run, [steps(101, 110)])
        await_points(page, 110)
        assert points(page) == list(range(1, 111))
        assert page.evaluate(IS_MARKED)


def test_a_long_run_is_drawn_with_a_bounded_number_of_points_and_its_envelope(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(5000, 1), steps(1, 1000)])
        visit(page, server, "train", f"?run={run}")
        await_points(page, 1000)
        for last in range(1500, 5001, 500):
            store.log.append(run, [steps(last - 499, last)])
            await_drawn(page, last)
            assert len(points(page)) <= 1200
    x, y = points(page), page.evaluate(f"Array.from({LOSS}.data[0].y)")
    assert x == sorted(set(x)) and (x[0], x[-1]) == (1, 5000)
    assert (max(y), min(y)) == (loss(1), loss(5000))


def test_the_end_of_a_run_is_shown_without_a_rerun(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(10, 1), steps(1, 10), epoch(1, 10)])
        visit(page, server, "train", f"?run={run}")
        await_points(page, 10)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        expect(page.locator(".live-trained")).to_be_hidden()  # trained from scratch
        store.set_status(run, "failed", error="The loss became nan at step 11: training diverged.")
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        expect(page.locator("[data-testid=stMain]")).to_contain_text("The loss became nan at step 11")
        region = page.locator(".announcer", has_text=run)
        expect(region).to_contain_text(STATUS["failed"][2])
        assert region.get_attribute("aria-live") == "polite"
        assert points(page) == list(range(1, 11))
        assert_sound(page)


def test_changing_to_another_run_shows_that_runs_points_only(page, server, store):
    with trained_here(store) as first, trained_here(store) as second:
        store.log.append(first, [started(), steps(1, 30)])
        store.log.append(second, [started(), steps(1, 12)])
        visit(page, server, "train", f"?run={first}")
        await_points(page, 30)
        page.get_by_role("combobox", name="Run").click()
        page.get_by_role("option", name=second).click()
        page.wait_for_url(f"**run={second}*")
        page.wait_for_function(f"{LOSS}?.data?.[0].x.length === 12")
        store.log.append(first, [steps(31, 32)])
        store.log.append(second, [steps(13, 14)])
        await_points(page, 14)
        assert points(page) == list(range(1, 15))


def decimated(page, x, y, limit):
    """Return the points that `decimate` of the page keeps, run in the browser."""
    return use_module(page, "shared/curves", "module.decimate(...given)", x, y, limit)


def noise(count):
    rng = np.random.default_rng(0)
    return np.arange(1, count + 1), rng.permutation(count) / count


def test_the_page_keeps_the_same_points_as_the_server(page):
    x, y = noise(2**16)
    kept_x, kept_y = decimated(page, x.tolist(), y.tolist(), 1024)
    expected_x, expected_y = decimate(x, y, 1024)
    assert (kept_x, kept_y) == (expected_x.tolist(), expected_y.tolist())


@pytest.mark.parametrize("limit", [100, 1200])
def test_decimation_of_many_points_is_bounded_and_keeps_every_extreme(page, limit):
    x, y = noise(100_000)
    kept_x, kept_y = decimated(page, x.tolist(), y.tolist(), limit)
    assert limit / 2 <= len(kept_x) == len(kept_y) <= limit
    assert kept_x == sorted(set(kept_x))
    assert kept_y == [y[i - 1] for i in kept_x]
    assert (min(kept_y), max(kept_y)) == (y.min(), y.max())
    half = len(x) // 2
    assert min(v for i, v in zip(kept_x, kept_y, strict=True) if i <= half) == y[:half].min()


def test_decimation_of_few_points_loses_none_that_matter(page):
    assert decimated(page, [1], [5], 4) == [[1], [5]]
    assert decimated(page, [], [], 4) == [[], []]
    assert decimated(page, [1, 2], [5, 5], 4) == [[1, 2], [5, 5]]
    flat_x, flat_y = decimated(page, list(range(1, 101)), [0.5] * 100, 10)
    assert len(flat_x) <= 10 and set(flat_y) == {0.5}


SMOOTHED = """given.slice(1).reduce(([mean, x, y], points) => {
    const curve = mean.add(points);
    return [mean, [...x, ...curve.x], [...y, ...curve.y]];
}, [new module.StepMean(given[0]), [], []]).slice(1)"""


def smoothed(page, steps_per_epoch, *messages):
    """Return the smoothed curve of the points in these messages, each (x, y)."""
    return use_module(page, "shared/curves", SMOOTHED, steps_per_epoch, *({"x": x, "y": y} for x, y in messages))


def running_means(values, factor):
    """Return the bias-corrected running mean after each of the values."""
    weights = [factor ** np.arange(count)[::-1] for count in range(1, len(values) + 1)]
    return [np.average(values[: len(weight)], weights=weight) for weight in weights]


def test_the_smoothed_curve_is_the_bias_corrected_running_mean_in_any_batching(page):
    values = np.random.default_rng(0).random(70)
    for cuts in ([], [1, 30], range(1, 70)):
        ends = [0, *cuts, 70]
        messages = [(list(range(a + 1, b + 1)), values[a:b].tolist()) for a, b in pairwise(ends)]
        x, y = smoothed(page, 200, *messages)
        assert x == list(range(1, 71)) and y == pytest.approx(running_means(values, 1 - 1 / 20))


def test_the_mean_of_several_steps_counts_as_often_in_the_smoothed_curve(page):
    values = np.repeat(np.random.default_rng(0).random(10), 8)
    x, y = smoothed(page, 200, (list(range(8, 81, 8)), values[::8].tolist()))
    assert x == list(range(8, 81, 8)) and y == pytest.approx(running_means(values, 1 - 1 / 20)[7::8])


def test_the_smoothed_curve_averages_over_a_tenth_of_an_epoch_within_limits(page):
    factors = use_module(page, "shared/curves", "given.map(module.smoothingFactor)", 1, 200, 10_000)
    assert [1 / (1 - factor) for factor in factors] == pytest.approx([5, 20, 50])


def test_a_page_that_opens_a_long_run_draws_its_smoothed_curve_from_the_means(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(10_000, 1), steps(1, 10_000)])
        visit(page, server, "train", f"?run={run}")
        await_drawn(page, 10_000)
        x, y = page.evaluate(f"(({{customdata, y}}) => [Array.from(customdata), Array.from(y)])({LOSS}.data[4])")
        store.log.append(run, [steps(10_001, 10_100)])
        await_drawn(page, 10_100)
        longer = page.evaluate(f"Array.from({LOSS}.data[4].customdata)")
    assert x == sorted(set(x)) and x[-1] == 10_000 and len(x) <= 1000
    late = np.array(x) > 1000
    np.testing.assert_allclose(
        np.array(y)[late], [loss(step - 49) for step in np.array(x)[late]], atol=1e-4
    )  # the steps in it are 49 steps old on average
    assert longer[: len(x)] == x and longer[len(x) :] == list(range(10_001, 10_101))


def test_a_run_that_is_paused_during_validation_is_shown_as_paused(page, server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), Progress("Validating", 1, 2)])
        visit(page, server, "train", f"?run={run}")
        expect(page.locator(".live-stage")).to_have_text("Validating 1 of 2")
        store.log.append(run, [Paused(10)])
        store.set_status(run, "paused")
        expect(page.locator(".live")).to_have_attribute("data-status", "paused")
        expect(page.locator(".live-stage")).not_to_contain_text("Validating")
        assert_sound(page)
