"""An exercise in a browser: the prediction, training with growing curves, and the result."""

import re
from dataclasses import astuple

import pytest
from playwright.sync_api import expect

from cnn_core.lessons.attempts import Attempt, list_attempts, measure_effect, read_runs, start_attempt
from cnn_core.lessons.effect import describe_effect
from cnn_core.lessons.exercises import EXERCISES, VARIANTS
from pages.views.learn.attempt import NO_PAIR_FINISHED, OPEN_B, RESULT
from pages.views.learn.exercises import progress_text
from pages.views.learn.prediction import prediction_label
from tests.browser.pilot import assert_sound, settle, use_module, visit

CHART = "document.querySelector('.overlay-chart')"
TRAINED = 120_000  # milliseconds for a pair on a busy machine


def variant_labels(name):
    return [f"{variant}, {EXERCISES[name].variant_name(variant)}" for variant in VARIANTS]


def test_a_pair_is_predicted_and_trained_its_curves_grow_and_its_result_is_shown(page, server, store):
    visit(page, server, "learn", "?lesson=batch-norm")
    button = page.locator(".st-key-train-batch-norm button")
    expect(button).to_be_disabled()
    page.get_by_text(prediction_label(EXERCISES["batch-norm"].metric, "higher"), exact=True).click()
    settle(page)
    pairs = page.locator(".st-key-pairs-batch-norm input")
    pairs.fill("1")
    pairs.press("Tab")
    settle(page)
    button.click()
    page.wait_for_function(f"{CHART}?.data?.length === 2")
    page.evaluate(f"{CHART}.theVeryNode = true")
    expect(page.get_by_text(RESULT.strip("*"), exact=True)).to_be_visible(timeout=TRAINED)
    drawn = page.evaluate(f"{CHART}.data.map(({{name, x, line, showlegend}}) => [name, [...x], line.color, showlegend])")
    assert [(name, x, is_named) for name, x, _, is_named in drawn] == [
        (label, [1, 2, 3, 4], True) for label in variant_labels("batch-norm")
    ]
    assert drawn[0][2] != drawn[1][2]
    assert page.evaluate(f"{CHART}.theVeryNode"), "the chart was extended, not created again"
    (attempt,) = list_attempts(store)
    finished, exercise = read_runs(store, attempt), EXERCISES["batch-norm"]
    assert [run.status for run in finished.runs] == ["finished", "finished"]
    for metric in (exercise.metric, *exercise.other_metrics):
        expect(page.get_by_text(describe_effect(measure_effect(store, finished, metric)))).to_be_visible()
    expect(page.get_by_text(progress_text(1))).to_be_visible()
    expect(page.locator(".overlay-note")).to_be_empty()
    assert_sound(page)


def test_two_curves_of_each_variant_are_drawn_if_the_metric_is_the_gap(page, server, store):
    attempt = start_attempt(store, "dropout", "digits", "lower", pairs=2)
    try:
        visit(page, server, "learn", "?lesson=dropout")
        page.wait_for_function(f"{CHART}?.data?.length === 4")
        drawn = page.evaluate(f"{CHART}.data.map(({{name, line, showlegend}}) => [name, line.color, line.dash, showlegend])")
        named = [trace for trace in drawn if trace[3]]
        assert [name for name, *_ in named] == [
            f"{run}, {measure} accuracy" for run in variant_labels("dropout") for measure in ("validation", "training")
        ]
        assert [dash for _, _, dash, _ in named] == ["solid", "dot"] * 2 and len({colour for _, colour, _, _ in drawn}) == 2
        page.locator(".st-key-stop-attempt").get_by_role("button").click()
        expect(page.get_by_test_id("stAlert").get_by_text(NO_PAIR_FINISHED)).to_be_visible(timeout=TRAINED)
        assert_sound(page)
    finally:
        for run in read_runs(store, attempt).runs:
            if run.is_active:
                store.requests.stop(run.id)


def test_without_trained_runs_the_chart_has_a_note_and_the_back_button_returns_from_the_form(page, server, store):
    attempt = Attempt(1000, "epochs", "digits", "", "higher", 0.0)
    with store.database.connect() as db:  # without a queue, so that the server's worker cannot start a run
        db.execute(
            "insert into attempts (number, lesson, data, owner, prediction, created) values (?, ?, ?, ?, ?, ?)", astuple(attempt)
        )
    for variant in VARIANTS:
        store.create(EXERCISES["epochs"].settings(variant), "stopped", origin=f"{attempt.origin}/{variant}0")
    visit(page, server, "learn", "?lesson=epochs")
    expect(page.locator(".overlay")).to_have_attribute("data-empty", "true")
    page.wait_for_function(f"{CHART}?.data?.length === 2")
    expect(page.locator(".overlay-note")).not_to_be_empty()
    expect(page.locator(".overlay-chart .xtick, .overlay-chart .ytick")).to_have_count(0)

    page.get_by_role("link", name=OPEN_B).click()
    expect(page.get_by_role("heading", name="Configure a run")).to_be_visible()
    expect(page).to_have_url(re.compile("epochs=20"))
    settle(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Epochs")).to_be_visible()
    assert_sound(page)


def test_an_exercise_is_selected_by_keyboard_and_kept_after_a_reload(page, server):
    visit(page, server, "learn")
    page.get_by_role("radio", name=re.compile("Capacity")).or_(page.get_by_role("button", name=re.compile("Capacity"))).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("lesson=capacity"))
    settle(page)
    page.reload()
    expect(page.get_by_role("heading", name="Capacity")).to_be_visible()
    assert_sound(page)


def test_repeated_runs_are_drawn_as_their_mean_and_a_band(page):
    curves = [{"x": [1, 2, 3], "y": [0.1, 0.5, 0.9]}, {"x": [1, 2], "y": [0.3, 0.7]}, {"x": [], "y": []}]
    drawn = use_module(page, "overlay/overlay", "module.meanAndRange(given[0])", curves)
    assert drawn["x"] == [1, 2, 3] and drawn["low"] == [0.1, 0.5, 0.9] and drawn["high"] == [0.3, 0.7, 0.9]
    assert drawn["mean"] == pytest.approx([0.2, 0.6, 0.9])


def test_if_the_metric_is_the_gap_the_chart_shows_the_range_after_the_steep_start(page):
    rising = {"x": [1, 2, 3, 4, 5, 6, 7, 8], "y": [0.1, 0.5, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0]}
    low, high = use_module(page, "overlay/overlay", "module.lateRange(...given)", [rising, {"x": [], "y": []}])
    assert abs(low - 0.895) < 1e-9 and abs(high - 1.005) < 1e-9
    assert use_module(page, "overlay/overlay", "module.lateRange(...given)", [{"x": [], "y": []}]) is None
    low, high = use_module(page, "overlay/overlay", "module.lateRange(...given)", [{"x": [1], "y": [0.5]}])
    assert low < 0.5 < high
