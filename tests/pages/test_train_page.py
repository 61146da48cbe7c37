"""The train page: a run's state in words, a button that stops it, and the next steps once there is a model."""

import json
import sqlite3

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import has_effect, title, value_text
from cnn_core.events import Changed
from cnn_core.runs.lock import hold
from pages.shared.run_selection import NO_RUN, STATUS
from pages.views.train.controls import APPLIED, CHILD, PARENT, REMOVED, SAVING, STOPPING
from tests.helpers import is_a_sentence
from tests.pages.manual_run import epoch, started, steps


def badges(at):
    return " ".join(element.value for element in at.markdown)


def keys(at):
    return [button.key for button in at.button]


def live_data(at):
    (panel,) = (part for part in at.get("bidi_component") if '"active"' in part.proto.json)
    return json.loads(panel.proto.json)


def test_an_empty_studio_shows_the_first_step(empty, open_page):
    at = open_page("train")
    assert at.info[0].value == NO_RUN.format(purpose="to watch")
    at.button[0].click().run()
    assert [run.config for run in empty.runs()] == [make_config()]
    assert not at.exception


def test_the_live_panel_is_given_the_run_that_the_address_names(own_trained, open_page):
    newest = own_trained.create(make_config())
    assert live_data(open_page("train")).items() >= {"run": newest, "status": "queued"}.items()
    assert live_data(open_page("train", run="0001-digits")).items() >= {"run": "0001-digits", "status": "finished"}.items()


def test_choosing_another_run_shows_it_and_changes_the_address(own_trained, open_page):
    newest = own_trained.create(make_config())
    at = open_page("train", run="0001-digits")
    at.selectbox[0].set_value(newest).run()
    assert live_data(at)["run"] == newest
    assert dict(at.query_params) == {"run": newest}
    at.run()
    assert live_data(at)["run"] == newest


def test_an_unknown_run_gives_a_message_and_another_one_is_shown(trained, open_page):
    at = open_page("train")
    for requests_of in (
        "0099-digits",
        "nonsense",
        "../../etc/passwd",
        "..%2f..",
        "<b>bold</b>",
        "ü" * 200,
        "'; drop table runs",
        "\0",
    ):
        at.query_params["run"] = requests_of
        at.run()
        (warning,) = at.warning
        assert is_a_sentence(warning.value)
        assert live_data(at)["run"] == "0001-digits"
        assert dict(at.query_params) == {"run": "0001-digits"}
        assert not at.exception


def test_stop_removes_a_waiting_run_from_the_queue(empty, open_page):
    run = empty.create(make_config())
    at = open_page("train", run=run)
    assert STATUS["queued"][2] in badges(at)
    stop = at.button(key=f"stop-{run}")
    stop.click().run()
    assert empty.run(run).status == "stopped" and [toast.value for toast in at.toast] == [REMOVED]
    at.run()
    assert STATUS["stopped"][2] in badges(at)
    assert f"stop-{run}" not in keys(at)
    assert not at.exception


def test_stop_sends_a_request_to_the_training_process_and_the_page_says_so_until_it_has_stopped(empty, open_page):
    run = empty.create(make_config(), status="running")
    with hold(empty.home.run_folder(run)):
        at = open_page("train", run=run)
        assert STATUS["running"][2] in badges(at)
        assert not empty.requests.should_stop(run)
        stop = at.button(key=f"stop-{run}")
        stop.click().run()
        assert (
            empty.requests.should_stop(run) and not at.toast
        )  # a toast would stay beside the status of a run that stops at once
        assert STOPPING in [caption.value for caption in at.caption] and not {f"stop-{run}", f"pause-{run}"} & set(keys(at))
        empty.set_status(run, "stopped")
        at.run()
        assert STOPPING not in [caption.value for caption in at.caption] and STATUS["stopped"][2] in badges(at)


def test_a_run_whose_process_died_is_shown_as_interrupted_with_what_to_do(empty, open_page):
    run = empty.create(make_config(), status="running")
    with sqlite3.connect(empty.home.database) as db:
        db.execute("update runs set created = created - 60")
    at = open_page("train", run=run)
    assert STATUS["interrupted"][2] in badges(at)
    (warning,) = at.warning
    assert is_a_sentence(warning.value) and f"resume-{run}" in keys(at)
    assert f"stop-{run}" not in keys(at)
    assert not at.exception


def test_an_unfinished_run_with_a_model_links_to_evaluate_and_gallery(own_trained, open_page):
    own_trained.set_status("0001-digits", "stopped")
    links = [(link.proto.page, link.proto.query_string) for link in open_page("train", run="0001-digits").get("page_link")]
    assert links == [("evaluate", "run=0001-digits"), ("gallery", "run=0001-digits")]
    waiting = own_trained.create(make_config())
    assert not open_page("train", run=waiting).get("page_link")


def test_every_setting_of_the_run_that_has_an_effect_is_shown(trained, open_page):
    table = open_page("train").table[0].value
    shown = dict(zip(table["Setting"], table["Value"], strict=True))
    config = trained.run("0001-digits").config
    chosen = config.model_dump()
    expected = {title(name): value_text(name, value) for name, value in chosen.items() if has_effect(name, chosen)}
    assert title("momentum") not in expected and shown == expected | {"Data version": trained.data_version("0001-digits")}


def test_settings_in_force_and_at_the_start_are_both_shown_where_they_differ(empty, open_page):
    run = empty.create(make_config(model="efficientnet"), status="stopped")
    empty.log.append(run, [started(), Changed(3, {"learning_rate": 0.5, "epochs": 9})])
    at = open_page("train", run=run)
    changed, everything = (table.value for table in at.table[:2])
    usual = make_config(model="efficientnet")
    by_title = {row["Setting"]: (row["In force"], row["At the start"]) for _, row in changed.iterrows()}
    assert by_title == {
        title("learning_rate"): ("0.5", value_text("learning_rate", usual.learning_rate)),
        title("epochs"): ("9", str(usual.epochs)),
    }
    assert title("depth") not in everything["Setting"].tolist() and not at.exception


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_an_unfinished_run_is_resumed_with_the_same_settings(empty, open_page, status):
    run = empty.create(make_config(epochs=4), status="running")
    empty.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
    if status != "interrupted":
        empty.set_status(run, status, error="The process was short of memory." if status == "failed" else "")
    with sqlite3.connect(empty.home.database) as db:
        db.execute("update runs set created = created - 60")
    at = open_page("train", run=run)
    assert STATUS[status][2] in badges(at)
    at.button(key=f"resume-{run}").click().run()
    assert [(row.id, row.status, row.config) for row in empty.runs()] == [(run, "queued", make_config(epochs=4))]
    assert STATUS["queued"][2] in badges(at)
    assert live_data(at).items() >= {"run": run, "status": "queued"}.items()
    assert not at.error and not at.warning, "what was said of its end is no longer true"
    assert keys(at) == [f"stop-{run}"]
    assert len(empty.log.read(run)) == 3, "what happened is kept"


def test_a_resumed_run_can_be_stopped_again(empty, open_page):
    run = empty.create(make_config())
    empty.requests.stop(run)
    at = open_page("train", run=run)
    for action, status in (("resume", "queued"), ("stop", "stopped"), ("resume", "queued")):
        at.button(key=f"{action}-{run}").click().run()
        at.run()
        assert empty.run(run).status == status
    assert not empty.requests.should_stop(run), "the old request is no reason to end at once"
    assert not at.exception


def test_a_completed_or_active_run_has_no_resume_button(own_trained, open_page):
    at = open_page("train", run="0001-digits")
    assert "resume-0001-digits" not in keys(at)
    waiting = own_trained.create(make_config())
    assert f"resume-{waiting}" not in keys(open_page("train", run=waiting))


def test_resuming_a_run_that_was_resumed_elsewhere_gives_a_message_or_nothing(empty, open_page):
    run = empty.create(make_config())
    empty.requests.stop(run)
    at = open_page("train", run=run)
    empty.queue.resume(run)
    at.button(key=f"resume-{run}").click().run()
    assert empty.run(run).status == "queued"
    assert not at.exception


def named(widgets, label):
    return next(widget for widget in widgets if widget.label == label or widget.label.startswith(f"{label} ("))


def requests_of(store, run):
    return [(request.kind, request.body) for request in store.requests.take(run)]


def test_a_training_run_can_be_paused_and_saved_and_a_paused_one_continued(empty, open_page):
    run = empty.create(make_config(), status="running")
    with hold(empty.home.run_folder(run)):
        at = open_page("train", run=run)
        assert f"resume-{run}" not in keys(at)
        at.button(key=f"pause-{run}").click().run()
        at.button(key=f"save-{run}").click().run()
        assert [toast.value for toast in at.toast] == [SAVING]
        assert requests_of(empty, run) == [("pause", {}), ("save", {})]
        empty.set_status(run, "paused")
        at.run()
        assert STATUS["paused"][2] in badges(at) and f"stop-{run}" in keys(at)
        at.button(key=f"pause-{run}").click().run()
        assert requests_of(empty, run) == [("continue", {})] and not at.exception


@pytest.mark.parametrize("status", ["queued", "finished", "stopped", "failed"])
def test_a_run_that_does_not_train_has_no_controls(empty, open_page, status):
    run = empty.create(make_config())
    empty.set_status(run, status)
    assert not {f"pause-{run}", f"save-{run}"} & set(keys(open_page("train", run=run)))


def test_only_settings_with_a_new_value_are_changed_during_training(empty, open_page):
    run = empty.create(make_config(), status="running")
    with hold(empty.home.run_folder(run)):
        at = open_page("train", run=run)
        apply = f"apply-{run}"
        assert at.button(key=apply).disabled and named(at.number_input, title("epochs")).value == 25
        named(at.number_input, title("epochs")).set_value(40)
        named(at.number_input, title("learning_rate")).set_value(0.002).run()
        at.button(key=apply).click().run()
        assert requests_of(empty, run) == [("change", {"epochs": 40, "learning_rate": 0.002})]
        assert at.button(key=apply).disabled and [toast.value for toast in at.toast] == [APPLIED]
        named(at.number_input, title("epochs")).set_value(50).run()
        assert not at.button(key=apply).disabled, "another value can follow before the run has carried it out"
        named(at.number_input, title("epochs")).set_value(40).run()
        empty.log.append(run, [Changed(12, {"epochs": 40, "learning_rate": 0.002})])  # as the one who trains answers
        at.run()
        assert named(at.number_input, title("epochs")).value == 40 and at.button(key=apply).disabled
        assert "40" in at.table[1].value["Value"].tolist() and not at.exception


def test_an_invalid_change_is_refused_with_a_message_and_not_requested(empty, open_page):
    run = empty.create(make_config(), status="running")
    with hold(empty.home.run_folder(run)):
        at = open_page("train", run=run)
        named(at.number_input, title("epochs")).set_value(0).run()
        at.button(key=f"apply-{run}").click().run()
        assert title("epochs") in at.error[0].value and requests_of(empty, run) == [] and not at.exception


def test_a_run_is_branched_at_an_epoch_with_other_settings_and_both_runs_link_to_each_other(own_trained, open_page):
    parent = own_trained.runs()[0].id
    at = open_page("train", run=parent)
    at.selectbox(key=f"branch-{parent}").set_value(2).run()
    named(at.number_input, title("epochs")).set_value(4)
    named(at.number_input, title("learning_rate")).set_value(0.002).run()
    at.button(key=f"branch-start-{parent}").click().run()
    (child,) = own_trained.children(parent)
    assert (child.config.epochs, child.config.learning_rate, child.parent_epoch) == (4, 0.002, 2) and not at.exception
    assert live_data(at)["run"] == child.id
    assert PARENT.format(parent=parent, epoch=2) in links(at)
    assert CHILD.format(child=child.id, epoch=2) in links(open_page("train", run=parent))


def links(at):
    return [element.proto.label for element in at.get("page_link")]
