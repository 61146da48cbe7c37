"""The Start page: one button starts a first run, and the latest runs are listed."""

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.text import counted, format_percent
from pages.shared.run_selection import linked_name
from pages.shared.text import plain
from tests.pages.form import press_start


def test_an_empty_studio_shows_one_button_and_no_list_of_runs(empty, open_page):
    at = open_page("start")
    assert not at.exception
    assert [button.key for button in at.button] == ["train-digits"]
    assert not [link for link in at.get("page_link") if link.proto.page == "train"]


def test_one_click_queues_a_digits_run_with_the_one_click_settings_and_shows_it(empty, open_page):
    at = open_page("start")
    at.button[0].click().run()
    (run,) = empty.runs()
    assert (run.status, run.config) == ("queued", make_config())
    assert run.config.data == "digits"
    assert (at.title[0].value, dict(at.query_params)) == ("Train", {"run": run.id})
    assert not at.exception


def test_showing_the_new_run_again_starts_no_second_one(empty, open_page):
    at = open_page("start")
    at.button[0].click().run()
    at.run()
    assert len(empty.runs()) == 1


def test_the_start_page_lists_runs_newest_first_with_status_and_validation_accuracy(own_trained, open_page):
    waiting = own_trained.create(make_config())
    at = open_page("start")
    accuracy = own_trained.run("0001-digits").summary["best_val_accuracy"]
    links = [link.label for link in at.get("page_link") if "-digits" in link.label]
    assert links == [linked_name(own_trained.run(run)) for run in (waiting, "0001-digits")]
    planned, reached = (caption.value for caption in at.caption)
    assert counted(make_config().epochs, "epoch") in planned and format_percent(accuracy) in reached
    assert not at.exception


def test_a_run_is_linked_with_the_name_that_a_person_gave_it(own_trained, open_page):
    RunOrganizer(own_trained).describe("0001-digits", name="*My* [first](x)")
    (link,) = [link.label for link in open_page("start").get("page_link") if "0001-digits" in link.label]
    assert plain("*My* [first](x)") in link


@pytest.mark.parametrize("page", ["start", "configure", "train", "evaluate", "gallery"])
def test_a_run_store_that_is_damaged_gives_a_message_with_the_remedy_on_every_page(own_trained, open_page, page):
    open_page("start")
    own_trained.home.database.write_bytes(b"this is no database " * 500)
    at = open_page(page)
    if page == "configure":  # reads no run; nothing may start
        press_start(at)
    assert not at.exception
    assert "CNN_STUDIO_HOME" in at.error[0].value


def test_after_a_first_completed_run_the_next_step_is_the_primary_action(own_trained, open_page):
    at = open_page("start")
    assert [button.key for button in at.main.button if button.proto.type == "primary"] == ["next-gallery"]
    at.button(key="next-gallery").click().run()
    assert (at.title[0].value, at.query_params["run"]) == ("Gallery", "0001-digits") and not at.exception


def test_a_run_that_has_not_ended_does_not_change_the_first_step(empty, open_page):
    empty.create(make_config())
    at = open_page("start")
    assert [button.key for button in at.button if button.proto.type == "primary"] == ["train-digits"]
