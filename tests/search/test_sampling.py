"""What is tried next: nothing twice, everything once in a grid, and the same after an interruption. On real studies, without training."""

from pathlib import Path
from typing import Any

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.search.plan import SearchPlan
from cnn_core.search.sampling import sample_trial
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import combinations, parse_space

FEW = ("optimizer=adam,sgd", "momentum=0.5,0.9", "depth=1..2")


def search(searches: SearchStore, plan: SearchPlan, score: Any = lambda settings: 0.5, most: int = 100) -> list[dict[str, Any]]:
    """Draw and tell at most so many trials; gives what was tried, in order."""
    study, tried = searches.study(searches.create(plan)), []
    while len(tried) < most and (trial := sample_trial(study, plan)):
        tried.append(plan.trial_settings(trial.params))
        study.tell(trial, score(tried[-1]))
    return tried


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_small_space_is_tried_to_its_end_and_nothing_twice(home: Home, sampler: str):
    plan = SearchPlan("small", make_config(), parse_space(FEW), sampler=sampler)
    tried = search(SearchStore(home), plan, score=lambda settings: 0.1 * settings["depth"])
    expected = list(combinations(plan.base, plan.space))
    assert len(tried) == len(expected) == 6 and all(settings in tried for settings in expected)
    assert [trial.settings for trial in SearchStore(home).trials("small")] == tried


def test_another_seed_tries_a_grid_in_another_order(home: Home):
    plans = [
        SearchPlan(f"seed {seed}", make_config(), parse_space(["batch_size=1..64"]), sampler="grid", seed=seed) for seed in (0, 1)
    ]
    first, second = (search(SearchStore(home), plan, most=5) for plan in plans)
    assert first != second


@pytest.mark.parametrize(("sampler", "before"), [("random", 2), ("tpe", 11)])  # TPE begins with ten at random
def test_a_search_that_was_interrupted_draws_what_it_would_have_drawn(home: Home, tmp_path: Path, sampler: str, before: int):
    plan = SearchPlan(
        "long", make_config(), parse_space(["learning_rate=0.0001..0.1 log", "optimizer=adam,sgd"]), sampler=sampler
    )
    score = lambda settings: 1 - settings["learning_rate"]  # noqa: E731
    whole = search(SearchStore(Home(tmp_path / "other")), plan, score, most=before + 2)
    first = search(SearchStore(home), plan, score, most=before)
    study = SearchStore(home).study("long")  # as another process would open it
    for settings in whole[before:]:
        trial = sample_trial(study, plan)
        assert plan.trial_settings(trial.params) == settings
        study.tell(trial, score(settings))
    assert first == whole[:before]
