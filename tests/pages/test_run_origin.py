"""The origin of a run: runs of exercises and searches are hidden in lists at first."""

import re
import sqlite3

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import Choices
from cnn_core.text import counted
from pages.shared.run_origin import BOX, LISTED
from tests.pages.test_runs_page import named, table


@pytest.fixture
def mixed(empty):
    """A store with one run of a person, one of an exercise and three of a search, all of them ended; the last is the newest."""
    searches = SearchStore(empty.home)
    searches.create(SearchPlan("widths", make_config(), (Choices("batch_norm", (True, False)),)))
    searches.cancel("widths")
    origin = searches.search("widths").origin
    for origin in ("", "lesson/dropout/1/A0", *(f"{origin}/{trial}" for trial in range(3))):
        empty.set_status(empty.create(make_config(), origin=origin), "finished")
    return empty


def test_a_persons_own_runs_are_shown_first_and_a_box_brings_the_others(mixed, open_page):
    at = open_page("runs")
    assert table(at)["Run"].tolist() == ["0001-digits"] and re.findall(r"\d+", at.caption[0].value) == ["1", "5"]
    box = at.selectbox(key=BOX)
    assert box.options == ["people (1)", "exercises (1)", "searches (3)", "all (5)"]
    box.set_value("searches").run()
    assert table(at)["Created by"].tolist() == ["search widths"] * 3
    at.selectbox(key=BOX).set_value("all").run()
    assert table(at)["Created by"].tolist() == ["search widths"] * 3 + ["exercise dropout", ""] and not at.exception
    named(at.text_input, "Search").set_value("exercise").run()
    assert table(at)["Run"].tolist() == ["0002-digits"]


def test_where_people_started_no_run_all_are_shown_and_where_they_started_all_there_is_no_box(empty, open_page):
    empty.create(make_config(), origin="search/widths/0")
    at = open_page("runs")
    assert len(table(at)) == 1 and at.selectbox(key=BOX).value == "all"
    for run in empty.runs():
        empty.requests.stop(run.id)
    (alone,) = named(open_page("train").selectbox, "Run").options
    assert alone.startswith("0001-digits · search (removed)")


def test_the_box_of_runs_lists_trials_only_if_they_train_are_named_or_are_requested(mixed, open_page):
    waiting = mixed.create(make_config(), origin="search/widths/3")

    def offered(at):
        return [option.partition(" ")[0] for option in named(at.selectbox, "Run").options]

    at = open_page("train")
    assert offered(at) == [waiting, "0001-digits"]
    toggle = at.toggle(key=LISTED)
    assert toggle.value is False and counted(4, "run") in toggle.label
    assert offered(open_page("train", run="0004-digits")) == [waiting, "0004-digits", "0001-digits"]
    at.toggle(key=LISTED).set_value(True).run()
    assert offered(at) == [run.id for run in mixed.runs()] and not at.exception
    at.toggle(key=LISTED).set_value(False).run()
    assert offered(at) == [waiting, "0001-digits"]


def test_a_search_with_an_unreadable_plan_does_not_break_the_tables(mixed, open_page):
    with sqlite3.connect(mixed.home.root / "searches.db") as db:
        db.execute("update searches set plan = replace(plan, '\"seed\": 0', '\"seed\": -1')")
    at = open_page("runs", made="searches")
    assert table(at)["Created by"].tolist() == ["search (removed)"] * 3 and not at.exception
    at = open_page("search", search="widths")
    assert title("seed") in at.error[0].value and "-1" in at.error[0].value and not at.exception


def test_the_start_page_shows_a_persons_latest_runs(mixed, open_page):
    shown = [link.proto.label for link in open_page("start").get("page_link")]
    assert any("0001-digits" in label for label in shown) and not any("0005-digits" in label for label in shown)
