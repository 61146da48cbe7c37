"""The main path with real training: configure, watch, stop or complete, evaluate, and a run started in a terminal."""

import os
import re
import subprocess
import sys
import time

from playwright.sync_api import expect

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.data.source import finish
from cnn_core.events import Steps
from cnn_core.metrics.evaluation import evaluate_run
from tests.browser.pilot import (
    LOSS,
    assert_sound,
    await_points,
    figure,
    fill,
    go_to_tab,
    number_field,
    pick,
    points,
    visit,
)
from tests.helpers import slowdown
from tests.pages.studio_harness import ONE_THREAD, ROOT

STOPS_WITHIN = 2.0  # seconds from the click to the stored status, on a quiet machine


def test_a_run_configured_in_the_form_is_watched_to_its_end_and_then_evaluated(page, server, store):
    visit(page, server, "configure")
    expect(page.locator("[data-testid=stMetricValue]").first).to_have_text("505,578")
    pick(page, "Optimizer", "sgd")
    for name, value in (("Epochs", 2), ("Batch size", 32), ("Learning rate", 0.03)):
        fill(page, name, value)
    go_to_tab(page, "Schedule")
    pick(page, "Schedule", "onecycle")
    go_to_tab(page, "Regularisation")
    fill(page, "Dropout", 0)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/train?run=*")
    run = page.url.partition("run=")[2]
    await_points(page, 1)
    page.evaluate(f"{LOSS}.theVeryNode = true")
    begun = len(points(page))
    total = 2 * -(-1222 // 32)
    await_points(page, min(begun + 10, total))
    page.wait_for_function(f"{LOSS}.data[3].x.length === 1")
    assert figure(page, "speed").endswith("images/s")
    assert page.evaluate(f"{LOSS}.theVeryNode === true")

    expect(page.locator(".live")).to_have_attribute("data-status", "finished", timeout=60_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    row = store.run(run)
    assert row.status == "finished"
    assert row.config == make_config(optimizer="sgd", schedule="onecycle", epochs=2, batch_size=32, learning_rate=0.03, dropout=0)
    assert points(page) == list(range(1, total + 1))
    assert page.evaluate(f"{LOSS}.theVeryNode === true")
    assert figure(page, "epoch") == "2 / 2"
    assert figure(page, "best").startswith(f"{100 * row.summary['best_val_accuracy']:.1f}%")
    assert page.locator(".live-bar").get_attribute("aria-valuenow") == "100"

    page.get_by_role("button", name="Show mistakes").click()
    page.wait_for_url("**/evaluate?*")
    page.get_by_role("radio", name="Metrics").click()
    evaluation = finish(
        evaluate_run(run, row.config, store.home, split="val")
    )  # the split of the mistakes that the result counts
    assert f"run={run}" in page.url
    expect(page.locator("[data-testid=stMetricValue]").first).to_have_text(f"{evaluation.accuracy:.2%}")
    page.locator("[data-testid=stPlotlyChart] .main-svg").first.wait_for()
    page.get_by_role("radio", name="Confusion matrix").click()
    page.locator(".matrix button").first.wait_for()
    counts = page.locator(".matrix button").all_text_contents()
    assert [int(count) for count in counts] == evaluation.confusion.ravel().tolist()
    assert_sound(page)


def test_stop_ends_a_training_within_two_seconds_and_keeps_the_model(page, server, store):
    run = store.create(make_config(epochs=1000))
    visit(page, server, "train", f"?run={run}")
    page.wait_for_function(f"({LOSS}?.data?.[3].x.length ?? 0) === 1", timeout=60_000)
    stop = page.get_by_role("button", name="Stop")
    stop.click()
    clicked = time.monotonic()
    while store.run(run).status == "running":
        assert time.monotonic() - clicked < 10 * STOPS_WITHIN
        page.wait_for_timeout(20)
    assert time.monotonic() - clicked < STOPS_WITHIN * slowdown()
    assert store.run(run).status == "stopped"
    assert store.has_model(run)
    expect(stop).to_have_count(0)
    expect(page.locator(".live")).to_have_attribute("data-status", "stopped")
    expect(page.get_by_role("link", name="Open in Gallery")).to_be_visible()
    assert_sound(page)


def test_a_training_is_paused_changed_and_continued_and_the_change_is_marked_on_the_curves(page, server, store):
    run = store.create(make_config(epochs=1000))
    visit(page, server, "train", f"?run={run}")
    await_points(page, 5)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".live")).to_have_attribute("data-status", "paused")
    reached = store.log.read(run)[-1].seq
    page.get_by_role("button", name="Change settings").click()
    fill(page, "Learning rate", 0.0005)
    page.locator(f".st-key-apply-{run} button").click()
    page.wait_for_function(f"({LOSS}?.layout?.annotations ?? []).length === 1")
    assert page.evaluate(f"{LOSS}.layout.annotations[0].hovertext") == f"{title('learning_rate')} 0.0005"
    label, curves = (page.locator(f"[data-chart=loss] {part}").first.bounding_box() for part in (".annotation", ".gridlayer"))
    assert label["y"] + label["height"] <= curves["y"] + 2  # above the curves
    assert not any(isinstance(stored.event, Steps) for stored in store.log.read(run, since=reached))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".live")).to_have_attribute("data-status", "running")
    await_points(page, len(points(page)) + 5)
    steps = [stored.event for stored in store.log.read(run, since=reached) if isinstance(stored.event, Steps)]
    assert {event.learning_rate for event in steps} != {0.001} and store.config_in_force(run).learning_rate == 0.0005
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".live")).to_have_attribute("data-status", "stopped")
    assert_sound(page)


def test_the_runs_page_counts_the_runs_it_lists(page, server, store):
    visit(page, server, "runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    runs = store.runs()
    listed = [run for run in runs if not run.origin]  # runs of exercises and searches are listed on request
    expect(page.get_by_text(re.compile(rf"^{len(listed)} of {len(runs)}\b"))).to_be_visible()
    assert_sound(page)


def test_a_run_started_in_a_terminal_appears_live_in_the_dashboard(page, server, store):
    terminal = subprocess.Popen(
        [sys.executable, "-m", "cnn_core", "train", "--epochs", "1000", "--json"],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD, "CNN_STUDIO_HOME": str(server.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        run = terminal.stderr.readline().split(":")[0].removeprefix("Run ")
        visit(page, server, "train")
        assert f"run={run}" in page.url
        await_points(page, 5)
        await_points(page, len(points(page)) + 5)
        page.get_by_role("button", name="Stop").click()
        out, _ = terminal.communicate(timeout=30)
    finally:
        terminal.kill()
        terminal.wait()
    assert f'"run": "{run}", "status": "stopped"' in out
    expect(page.locator(".live")).to_have_attribute("data-status", "stopped")
    assert points(page) == list(range(1, len(points(page)) + 1))
    assert_sound(page)


def test_a_stopped_run_is_resumed_in_the_same_chart_without_a_gap_or_a_double_point(page, server, store):
    run = store.create(make_config(epochs=6, patience=6))
    visit(page, server, "train", f"?run={run}")
    page.wait_for_function(f"({LOSS}?.data?.[3].x.length ?? 0) === 1", timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".live")).to_have_attribute("data-status", "stopped")
    stopped_at = len(points(page))
    page.evaluate(f"{LOSS}.theVeryNode = true")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    total = 6 * -(-1222 // 64)
    assert stopped_at < total
    await_points(page, stopped_at + 1)
    expect(page.locator(".live")).to_have_attribute("data-status", "finished", timeout=60_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    assert points(page) == list(range(1, total + 1))
    assert page.evaluate(f"Array.from({LOSS}.data[2].x)") == list(range(1, 7))
    assert page.evaluate(f"{LOSS}.theVeryNode === true")
    assert figure(page, "epoch") == "6 / 6"
    expect(page.locator(".live-step")).to_contain_text(f"step {total} of {total} · patience ")
    assert store.run(run).status == "finished"
    assert_sound(page)


def test_the_form_names_a_wrong_field_and_applies_the_defaults_of_each_data_set_except_where_one_typed(page, server, store):
    before = store.runs()
    visit(page, server, "configure")
    epochs, flip = number_field(page, "Epochs"), page.get_by_role("combobox", name="Horizontal flip")
    fill(page, "Epochs", 0)
    alerts = page.locator("[data-testid=stAlert]")
    expect(alerts).to_have_count(2)  # below the field, and at the button
    expect(alerts.filter(has_text="Epochs")).to_have_count(2)
    alert = alerts.last
    before_start = alert.inner_text()
    page.get_by_role("button", name="Start training").click()
    expect(alert).not_to_have_text(before_start)
    expect(alert).to_contain_text("Epochs")
    assert store.runs() == before
    fill(page, "Epochs", "")
    expect(epochs).to_have_value("25")
    fill(page, "Epochs", 7)
    go_to_tab(page, "Augmentation")
    expect(flip).to_have_value("off")
    pick(page, "Data set", "CIFAR-10")
    go_to_tab(page, "Augmentation")
    expect(flip).to_have_value("random")
    go_to_tab(page, "Training")
    expect(epochs).to_have_value("7")  # as typed
    assert_sound(page)
