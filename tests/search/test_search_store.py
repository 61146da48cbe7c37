"""The searches of a home: asked for, cancelled, gone on with, removed; what is said of their trials."""

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.errors import SettingError, StudioError
from cnn_core.home import Home
from cnn_core.locks import try_lock
from cnn_core.runs.run import UNREADABLE
from cnn_core.search.plan import MAX_TRIALS, SearchPlan
from cnn_core.search.sampling import sample_trial
from cnn_core.search.search_store import IS_RUNNING, NAME_TAKEN, NO_SEARCH, UNUSABLE, SearchStore
from cnn_core.search.space import parse_space
from tests.cli.commands import answer
from tests.helpers import is_a_sentence

SPACE = parse_space(["learning_rate=0.0001..0.1 log", "depth=1..4"])


def plan(name: str = "rates", trials: int = 3) -> SearchPlan:
    return SearchPlan(name, make_config(), SPACE, trials, sampler="random")


def try_some(searches: SearchStore, name: str, count: int) -> None:
    """Trials whose value depends on their depth alone."""
    study = searches.study(name)
    for _ in range(count):
        trial = sample_trial(study, searches.plan(name))
        study.tell(trial, trial.params["depth"] / 10)


def test_a_home_without_searches_is_left_alone(home: Home):
    searches = SearchStore(home)
    assert searches.names() == searches.active() == []
    assert not home.root.exists()


def test_searches_are_listed_newest_first_in_every_process(home: Home):
    for name in ("one", "two"):
        assert SearchStore(home).create(plan(name)) == name
    assert SearchStore(home).names() == ["two", "one"] and SearchStore(home).active() == ["one", "two"]
    assert SearchStore(home).plan("two") == plan("two") and SearchStore(home).status("two") == "searching"
    assert (
        SearchStore(home).trials("two") == []
        and SearchStore(home).best("two") is None
        and SearchStore(home).importance("two") == {}
    )


def test_a_name_is_taken_once(home: Home):
    SearchStore(home).create(plan())
    with pytest.raises(SettingError, match=NAME_TAKEN.format(name=plan().name)) as refused:
        SearchStore(home).create(plan())
    assert is_a_sentence(refused.value) and refused.value.field == "name"


def test_a_search_that_is_not_there_is_named(home: Home):
    with pytest.raises(StudioError, match=NO_SEARCH.format(name="x")) as refused:
        SearchStore(home).search("x")
    assert is_a_sentence(refused.value)


def test_a_cancelled_search_is_resumed_with_more_trials(home: Home):
    searches = SearchStore(home)
    searches.create(plan())
    searches.cancel("rates", "The disk is full.")
    assert (searches.status("rates"), searches.search("rates").error) == ("cancelled", "The disk is full.")
    searches.resume("rates", 5)
    assert (searches.status("rates"), searches.search("rates").error, searches.plan("rates").trials) == ("searching", "", 5)


def test_a_completed_search_is_resumed_with_more_trials_only(home: Home):
    searches = SearchStore(home)
    searches.create(plan())
    try_some(searches, "rates", 3)
    searches.finish("rates")
    searches.cancel("rates")
    assert searches.status("rates") == "done"
    for trials in (None, 2, 3):
        with pytest.raises(SettingError, match=r"\b3\b"):
            searches.resume("rates", trials)
    with pytest.raises(SettingError, match=rf"\b0\b.*{MAX_TRIALS:,}"):
        searches.resume("rates", 0)
    searches.resume("rates", 4)
    assert searches.status("rates") == "searching"


def test_a_search_is_removed_when_nobody_works_it_off(home: Home):
    searches = SearchStore(home)
    searches.create(plan())
    try_some(searches, "rates", 1)
    with pytest.raises(StudioError, match=IS_RUNNING.format(name="rates")):
        searches.remove("rates")
    searches.cancel("rates")
    with try_lock(searches.lock(searches.search("rates"))), pytest.raises(StudioError, match=IS_RUNNING.format(name="rates")):
        searches.remove("rates")
    searches.remove("rates")
    searches.create(plan())
    assert searches.trials("rates") == []


def test_a_run_says_which_search_made_it(home: Home):
    searches = SearchStore(home)
    searches.create(plan("Wide & deep, 2".replace("&", "and")))
    assert searches.name_of(f"{searches.search('Wide and deep, 2').origin}/7") == "Wide and deep, 2"
    assert searches.search("Wide and deep, 2").origin.startswith("search/wide-and-deep-2-")
    assert searches.name_of("lesson/dropout/3") == searches.name_of("") == searches.name_of("search/gone-123456/1") == ""


def test_the_best_trial_has_the_highest_value_and_what_made_the_difference_is_found(home: Home):
    searches = SearchStore(home)
    searches.create(plan(trials=9))
    try_some(searches, "rates", 4)
    assert searches.importance("rates") == {}
    try_some(searches, "rates", 5)
    best, shares = searches.best("rates"), searches.importance("rates")
    assert best.value == max(trial.value for trial in searches.trials("rates")) == best.settings["depth"] / 10
    assert list(shares)[0] == "depth" and shares["depth"] > 0.8 and sum(shares.values()) == pytest.approx(1)


def test_a_home_may_have_any_name(tmp_path: Path):
    searches = SearchStore(Home(tmp_path / "50% {of} a?b"))
    searches.create(plan())
    try_some(searches, "rates", 1)
    assert len(searches.trials("rates")) == 1 and (searches.home.root / "searches.db").is_file()


def test_a_file_that_cannot_be_used_is_reported(home: Home):
    home.root.mkdir()
    (home.root / "searches.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StudioError) as refused:
        SearchStore(home).names()
    assert str(refused.value).startswith(UNUSABLE.partition("(")[0].format(file=home.root / "searches.db"))
    assert is_a_sentence(refused.value)


def test_the_file_is_sqlite_with_optunas_own_tables(home: Home):
    searches = SearchStore(home)
    searches.create(plan())
    try_some(searches, "rates", 1)
    (name,) = optuna.get_all_study_names(f"sqlite:///{home.root / 'searches.db'}")
    assert name == searches.search("rates").token
    with sqlite3.connect(home.root / "searches.db") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    "plan_of_later", ['{"name": "rates"}', '{"base": {"quantise": 1}, "space": []}', "[]", '{"base": {}, "space": [{"x": 1}]}']
)
def test_a_search_of_a_later_version_is_refused_with_a_message_and_the_others_are_listed(
    home: Home, capsys: pytest.CaptureFixture[str], plan_of_later: str
):
    searches = SearchStore(home)
    for name in ("rates", "depths"):
        searches.create(plan(name))
    with closing(sqlite3.connect(home.root / "searches.db")) as db, db:
        db.execute("update searches set plan = ? where name = 'rates'", (plan_of_later,))
    with pytest.raises(StudioError) as refused:
        searches.search("rates")
    assert is_a_sentence(refused.value)
    assert {entry["search"]: entry["status"] for entry in answer(capsys, "search", "--list")} == {
        "depths": "searching",
        "rates": UNREADABLE,
    }
