"""An exercise done in a real browser: predicted, trained, watched while both curves grow, and told what came out."""

import re

from playwright.sync_api import expect

from cnn_core.lessons.attempts import attempts, begin, look
from cnn_core.lessons.cards import LESSONS
from tests.browser.pilot import assert_sound, settle, use_module, visit

CHART = "document.querySelector('.overlay-chart')"
TRAINED = 120_000  # milliseconds for a pair on a busy machine


def test_a_pair_is_predicted_trained_watched_and_told_of(page, server, store):
    visit(page, server, "learn", "?lesson=batch-norm")
    button = page.get_by_role("button", name="Train both")
    expect(button).to_be_disabled()
    page.get_by_text("It is higher with B").click()
    settle(page)
    pairs = page.get_by_role("spinbutton", name=re.compile("Pairs"))
    pairs.fill("1")
    pairs.press("Tab")
    settle(page)
    button.click()
    page.wait_for_function(f"{CHART}?.data?.length === 2")
    page.evaluate(f"{CHART}.theVeryNode = true")
    expect(page.get_by_text("What came out.")).to_be_visible(timeout=TRAINED)
    drawn = page.evaluate(f"{CHART}.data.map(({{name, x, line, showlegend}}) => [name, [...x], line.color, showlegend])")
    assert [(name, x, is_named) for name, x, _, is_named in drawn] == [
        ("A, without", [1, 2, 3, 4], True),
        ("B, batch norm", [1, 2, 3, 4], True),
    ]
    assert drawn[0][2] != drawn[1][2]
    assert page.evaluate(f"{CHART}.theVeryNode"), "the chart has grown; it was not made anew"
    expect(page.get_by_text("one pair cannot tell this from chance")).to_have_count(2)  # the measure, and what is told besides
    expect(page.get_by_text(f"1 of {len(LESSONS)} done")).to_be_visible()
    (attempt,) = attempts(store)
    assert [run.status for run in look(store, attempt).runs] == ["finished", "finished"]
    assert_sound(page)


def test_two_curves_of_each_run_are_drawn_where_the_gap_is_the_point(page, server, store):
    attempt = begin(store, "dropout", "digits", "lower", pairs=2)
    try:
        visit(page, server, "learn", "?lesson=dropout")
        page.wait_for_function(f"{CHART}?.data?.length === 8")
        drawn = page.evaluate(f"{CHART}.data.map(({{name, line, showlegend}}) => [name, line.color, line.dash, showlegend])")
        named = [trace for trace in drawn if trace[3]]
        assert [name for name, *_ in named] == [
            f"{run}, {measure} accuracy"
            for run in ("A, no dropout", "B, 30 % switched off")
            for measure in ("validation", "training")
        ]
        assert [dash for _, _, dash, _ in named] == ["solid", "dot"] * 2 and len({colour for _, colour, _, _ in drawn}) == 2
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("The runs ended before a pair was finished.")).to_be_visible(timeout=TRAINED)
        assert_sound(page)
    finally:
        for run in look(store, attempt).runs:
            if run.is_active:
                store.requests.stop(run.id)


def test_where_nothing_was_trained_the_chart_says_so_and_the_way_back_from_the_form_leads_to_the_exercise(page, server, store):
    for run in look(store, begin(store, "epochs", "digits", "higher", pairs=1)).runs:
        store.set_status(run.id, "stopped")
    visit(page, server, "learn", "?lesson=epochs")
    expect(page.locator(".overlay")).to_have_attribute("data-empty", "true")
    expect(page.locator(".overlay-note")).not_to_be_empty()
    page.wait_for_function(f"{CHART}?.data?.length === 2")
    expect(page.locator(".overlay-chart .xtick, .overlay-chart .ytick")).to_have_count(0)

    page.get_by_role("link", name="Open B in Configure").click()
    expect(page.get_by_role("heading", name="Configure a run")).to_be_visible()
    expect(page).to_have_url(re.compile("epochs=20"))
    settle(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Epochs")).to_be_visible()
    assert_sound(page)


def test_a_card_is_chosen_by_keyboard_and_a_reload_comes_back_to_it(page, server):
    visit(page, server, "learn")
    page.get_by_role("radio", name=re.compile("Capacity")).or_(page.get_by_role("button", name=re.compile("Capacity"))).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("lesson=capacity"))
    settle(page)
    page.reload()
    expect(page.get_by_role("heading", name="Capacity")).to_be_visible()
    assert_sound(page)


def test_where_the_gap_is_the_point_the_chart_shows_what_lies_beyond_the_steep_beginning(page):
    rising = {"x": [1, 2, 3, 4, 5, 6, 7, 8], "y": [0.1, 0.5, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0]}
    low, high = use_module(page, "overlay/overlay", "module.lateRange(...given)", [rising, {"x": [], "y": []}])
    assert abs(low - 0.895) < 1e-9 and abs(high - 1.005) < 1e-9
    assert use_module(page, "overlay/overlay", "module.lateRange(...given)", [{"x": [], "y": []}]) is None
    low, high = use_module(page, "overlay/overlay", "module.lateRange(...given)", [{"x": [1], "y": [0.5]}])
    assert low < 0.5 < high
