"""The search page: a search is created in a form, refused where it cannot start, watched, resumed, and its best settings open the form."""

import re
import shutil
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.home import Home
from cnn_core.runs.store import Store
from cnn_core.search.plan import MAX_TRIALS, SearchPlan
from cnn_core.search.runner import run_search
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import Choices, Range, parse_space
from cnn_core.text import counted
from pages.shared.progress import TIME_LEFT
from pages.views.search.new_search_form import EXTENT, INFINITELY_MANY
from pages.views.search.results import BEST, IMPORTANCE, TRIAL
from pages.views.search.space_form import BOX
from pages.views.search.status import ADD_TRIALS, ANNOUNCEMENT, ENDED, NEXT_TRIAL, OTHER_SEARCH, STATUS
from tests.helpers import is_a_sentence, tiny_config, write_images
from tests.pages.announcements import announcements
from tests.pages.form import choose_folder, field, fill
from tests.pages.test_runs_page import named, overlaid, page_text, wide_charts

SPACE = ("learning_rate=0.0001..0.05 log", "optimizer=adam,sgd", "momentum=0.5,0.9")


@pytest.fixture(scope="module")
def searched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio home in which the search “colours” was worked off: six trials on an image folder."""
    root = tmp_path_factory.mktemp("searched")
    home = Home(root / "studio")
    base = tiny_config(write_images(root / "pictures"), epochs=1)
    searches = SearchStore(home)
    searches.create(SearchPlan("colours", base, parse_space(SPACE), trials=6, prune=False))
    run_search(searches, Store(home), "colours", should_end=lambda: False, wait=lambda: time.sleep(0.01))
    return home.root


@pytest.fixture
def searched(searched_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchStore:
    """The searches of a copy of it, to be changed at will."""
    shutil.copytree(searched_home, tmp_path / "studio")
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "studio"))
    return SearchStore(Home.from_environment())


@pytest.fixture
def searches(empty: Store) -> SearchStore:
    return SearchStore(empty.home)


def search_in(at: AppTest, *names: str) -> AppTest:
    """Choose the settings to search."""
    return at.multiselect(key=BOX).set_value(list(names)).run()


def keys(at: AppTest) -> list[str | None]:
    return [button.key for button in at.button]


def ended(count: int, total: int) -> str:
    return ENDED.format(ended=count, trials=counted(total, "trial"))


def search_name(at: AppTest):
    return next(field for field in at.text_input if (field.key or "").startswith("search-name-"))


def number(at: AppTest, label: str, value: float) -> AppTest:
    return named(at.number_input, label).set_value(value).run()


def test_a_studio_without_searches_offers_one_over_the_learning_rate_a_decade_either_way(searches, open_page):
    at = open_page("search")
    assert not at.exception and not at.error
    assert at.multiselect(key=BOX).value == ["learning_rate"]
    assert EXTENT.format(combinations=INFINITELY_MANY, trials=counted(20, "trial")) in page_text(at)
    at.button(key="start-search").click().run()
    plan = searches.plan("digits 1")
    rate = make_config().learning_rate
    assert plan.space == (Range("learning_rate", rate / 10, rate * 10, log=True),) and plan.base == make_config()
    assert (plan.trials, plan.sampler, plan.prune, plan.seed) == (20, "tpe", True, 0)
    assert at.query_params["search"] == "digits 1" and ended(0, 20) in page_text(at) and not at.exception


def test_ranges_lists_and_choices_of_the_rows_become_the_space(searches, open_page):
    at = search_in(open_page("search"), "optimizer", "batch_norm", "dropout", "depth")
    at = search_in(at, *at.multiselect(key=BOX).value, "momentum")  # which is offered where the optimizer is searched
    named(at.segmented_control, "Range or list for Dropout").set_value("list").run()
    named(at.text_input, "Dropout: values").set_value("0, 0.3,0.5").run()
    at = number(number(at, "Depth from", 2), "Depth to", 3)
    named(at.button_group, "Optimizer").set_value(["adam", "sgd"]).run()
    at.segmented_control(key="search-method").set_value("random").run()
    number(at, "Trials", 7)
    at.number_input(key="search-seed").set_value(3).run()
    at.toggle(key="search-prune").set_value(False).run()
    search_name(at).set_value("my search").run()
    field(at, "epochs").set_value(4).run()
    at.button(key="start-search").click().run()
    plan = searches.plan("my search")
    assert {dimension.name: dimension for dimension in plan.space} == {
        "optimizer": Choices("optimizer", ("adam", "sgd")),
        "batch_norm": Choices("batch_norm", (False, True)),
        "dropout": Choices("dropout", (0.0, 0.3, 0.5)),
        "depth": Range("depth", 2, 3),
        "momentum": Range("momentum", 0.8, 0.99),
    }
    assert plan.base == make_config(epochs=4) and not at.exception
    assert (plan.trials, plan.sampler, plan.prune, plan.seed) == (7, "random", False, 3)


def test_a_grid_needs_lists_and_tries_every_combination(searches, open_page):
    at = search_in(open_page("search"), "learning_rate", "batch_norm", "depth")
    at.segmented_control(key="search-method").set_value("grid").run()
    assert named(at.text_input, f"{title('learning_rate')}: values").value == "0.0001, 0.001, 0.01"
    extent = EXTENT.format(combinations=counted(24, "combination"), trials=counted(24, "trial"))
    assert extent in page_text(at)  # 3 rates, on and off, depths 1 to 4
    at.button(key="start-search").click().run()
    assert searches.plan("digits 1").total_trials == 24 and not at.exception


def test_what_cannot_be_searched_is_refused_with_a_message_and_nothing_starts(searches, open_page):
    at = search_in(open_page("search"))
    assert len(at.error) == 1 and "start-search" not in keys(at)
    at = search_in(at, "learning_rate")
    number(at, f"{title('learning_rate')} from", 0.5)
    assert re.search(r"\b0\.5\b.*\b0\.01\b", at.error[0].value) and is_a_sentence(at.error[0].value)
    number(at, f"{title('learning_rate')} from", 0.0)
    assert title("learning_rate") in at.error[0].value
    number(at, f"{title('learning_rate')} from", 0.001)
    number(at, "Trials", 0)
    assert f"1 to {MAX_TRIALS:,}" in at.error[0].value
    number(at, "Trials", 20)
    search_name(at).set_value("../x").run()
    assert "“../x”" in at.error[0].value and searches.names() == [] and not at.exception


def test_a_list_that_cannot_be_read_and_choices_of_one_are_refused(open_page, searches):
    at = search_in(open_page("search"), "dropout")
    named(at.segmented_control, "Range or list for Dropout").set_value("list").run()
    named(at.text_input, "Dropout: values").set_value("some, 2").run()
    assert title("dropout") in at.error[0].value
    at = search_in(at, "flip")
    named(at.button_group, title("flip")).set_value(["off"]).run()
    assert title("flip") in at.error[0].value and not at.exception


def test_settings_that_do_not_fit_the_images_are_refused_at_the_start(searches, open_page, tmp_path):
    at = choose_folder(open_page, write_images(tmp_path / "few", count=3), "search")
    field(at, "batch_size").set_value(4000).run()
    at.button(key="start-search").click().run()
    assert title("batch_size") in at.error[0].value and "4,000" in at.error[0].value and searches.names() == []


def test_a_second_press_finds_the_search_and_another_one_of_that_name_is_refused(searches, open_page):
    at = open_page("search")
    searches.create(SearchPlan("digits 1", make_config(), (Range("learning_rate", 0.0001, 0.01, True),)))
    at.button(key="start-search").click().run()
    assert not at.error and searches.names() == ["digits 1"] and ended(0, 20) in page_text(at)
    other = open_page("search", search="")
    search_name(other).set_value("digits 1").run()
    number(other, "Trials", 5)
    other.button(key="start-search").click().run()
    assert "“digits 1”" in other.error[0].value and searches.plan("digits 1").trials == 20


def test_a_search_that_is_done_shows_its_best_trial_every_trial_and_what_they_have_in_common(searched, open_page):
    at = open_page("search", search="colours")
    trials = searched.trials("colours")
    best = searched.best("colours")
    assert not at.exception and ended(6, 6) in page_text(at)
    assert at.metric[0].value == f"{best.value:.2%}"
    shown = at.dataframe[0].value
    assert shown["Run"].tolist() == [trial.run for trial in trials] and shown["Trial"].tolist() == [1, 2, 3, 4, 5, 6]
    assert shown["Validation"].tolist() == pytest.approx([100 * trial.value for trial in trials])
    assert shown["Optimizer"].tolist() == [trial.settings["optimizer"] for trial in trials]
    assert shown["Momentum"].isna().tolist() == [trial.settings["optimizer"] == "adam" for trial in trials]
    (parallel,) = wide_charts(at)
    axes = {axis["label"]: axis for axis in parallel["figure"]["data"][0]["dimensions"]}
    assert set(axes) == {"Learning rate (log)", "Optimizer", "Momentum", "accuracy"}
    assert axes["accuracy"]["values"] == [trial.value for trial in trials]
    alts = [chart.proto.alt for chart in at.get("plotly_chart")]
    assert any(BEST.format(accuracy=best.value) in alt for alt in alts)
    assert IMPORTANCE in [heading.value for heading in at.subheader]
    assert sorted(run.origin for run in Store(searched.home).runs()) == sorted(
        f"{searched.search('colours').origin}/{trial.number}" for trial in trials
    )


def test_the_best_settings_open_in_the_form_with_the_settings_of_all_trials(searched, open_page):
    at = open_page("search", search="colours")
    best, base = searched.best("colours"), searched.plan("colours").base
    at.button(key="use-best").click().run()
    assert at.button(key="start-training") and not at.exception
    for name, value in best.settings.items():
        assert field(at, name).value == pytest.approx(value) if isinstance(value, float) else field(at, name).value == value
    assert field(at, "batch_size").value == base.batch_size and at.text_input[0].value == base.data


def test_the_settings_of_the_form_open_in_a_new_search(searched, open_page):
    at = open_page("configure")
    fill(at, model="resnet9", optimizer="sgd", learning_rate=0.25, epochs=3)
    at.button(key="tune-settings").click().run()
    assert at.button(key="start-search") and not at.exception
    assert (field(at, "model").value, field(at, "optimizer").value, field(at, "epochs").value) == ("resnet9", "sgd", 3)
    assert named(at.number_input, f"{title('learning_rate')} from").value == 0.025


def test_a_selected_trial_links_to_its_run(searched, open_page):
    at = open_page("search", search="colours")
    at.session_state[f"trials-{searched.search('colours').token}"] = {"selection": {"rows": [4], "columns": [], "cells": []}}
    at.run()
    trial = searched.trials("colours")[4]
    assert TRIAL.format(number=5) in page_text(at) and at.button(key=f"use-row-{trial.number}")
    links = [link.proto for link in at.get("page_link") if link.proto.page == "train"]
    assert [trial.run in link.query_string for link in links][-1] and not at.exception


def test_a_search_is_resumed_with_more_trials_cancelled_and_removed(searched, open_page):
    at = open_page("search", search="colours")
    assert named(at.number_input, "Total trials").value == 16
    number(at, "Total trials", 8)
    at.button(key="search-resume").click().run()
    assert searched.status("colours") == "searching" and searched.plan("colours").trials == 8
    assert ended(6, 8) in page_text(at) and NEXT_TRIAL in page_text(at)
    at.button(key="search-cancel").click().run()
    assert searched.status("colours") == "cancelled"
    assert announcements(at) == [ANNOUNCEMENT.format(search="colours", status=STATUS["cancelled"][2])]
    at.button(key="search-remove").click().run()
    assert searched.names() == [] and not at.exception
    at.run()
    assert "start-search" in keys(at) and len(Store(searched.home).runs()) == 6


def test_a_completed_search_leads_to_its_best_settings_and_to_a_new_search(searched, open_page):
    at = open_page("search", search="colours")
    keys_in_order = [button.key for button in at.button]
    assert at.button(key="use-best").proto.type == "primary" and keys_in_order.index("new-search") < keys_in_order.index(
        "search-resume"
    )
    assert at.button(key="search-resume").label == ADD_TRIALS
    at.button(key="new-search").click().run()
    assert at.selectbox(key="search").value == "" and "start-search" in keys(at) and not at.exception


def test_resuming_a_search_with_no_trials_left_gives_a_message(searched, open_page):
    at = open_page("search", search="colours")
    number(at, "Total trials", 3)
    at.button(key="search-resume").click().run()
    assert counted(6, "trial") in at.toast[0].value and searched.status("colours") == "done"


def test_the_trial_that_trains_is_drawn_beside_the_best_one_and_its_end_is_shown_at_once(searched, open_page):
    store, search = Store(searched.home), searched.search("colours")
    searched.resume("colours", 7)
    seen = []

    def watch(run, event):
        if not seen:
            at = open_page("search", search="colours")
            seen.append((run, overlaid(at)["runs"], page_text(at), at))

    run_search(searched, store, search.name, should_end=lambda: False, wait=lambda: None, watch=watch)
    ((run, drawn, text, at),) = seen
    best = searched.best("colours")
    assert drawn[0]["id"] == run and drawn[0]["name"] == "trial 7" and len(drawn) == 2
    assert drawn[1]["name"].endswith(" (best)") and (best.run in (run, drawn[1]["id"]))
    time_left = re.escape(TIME_LEFT.format(time="1")).replace("1", ".+")
    assert ended(6, 7) in text and re.search(time_left, text)
    assert ended(7, 7) in page_text(at.run()) and not at.exception  # although the page has read the trials a moment ago


def test_a_waiting_search_names_the_search_before_it(searched, open_page):
    searched.create(SearchPlan("first", make_config(), (Choices("batch_norm", (True, False)),)))
    searched.create(SearchPlan("second", make_config(), (Choices("batch_norm", (True, False)),)))
    assert OTHER_SEARCH.format(name="first") in page_text(open_page("search", search="second"))
    assert NEXT_TRIAL in page_text(open_page("search", search="first"))


def test_the_address_names_the_search_and_nonsense_in_it_opens_the_form(searched, open_page):
    assert open_page("search", search="colours").selectbox(key="search").value == "colours"
    at = open_page("search", search="../<script>")
    assert "start-search" in keys(at) and not at.exception
    searched.resume("colours", 9)
    assert open_page("search").selectbox(key="search").value == "colours"  # the one that is worked off


def test_an_address_without_a_name_shows_the_search_that_was_shown_last(searched, open_page):
    at = open_page("search", search="colours")
    at.button(key="use-best").click().run()
    assert at.button(key="start-training")
    at.query_params.clear()
    at.switch_page("../search.py").run()
    assert at.selectbox(key="search").value == "colours" and at.query_params["search"] == "colours" and not at.exception
