"""Comparing runs by validation accuracy: differing settings, repeated seeds, and a test of their difference."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from cnn_core.config.defaults import make_config
from cnn_core.runs.comparison import (
    BETTER,
    COUNTS,
    MAX_SEED,
    NOT_SIGNIFICANT,
    SIGNIFICANT,
    SINGLE_RUNS,
    compare_accuracies,
    differing_settings,
    group_by_settings,
    with_new_seed,
)
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence, tells


def finished(store: Store, accuracy: float | None, **chosen: object) -> Run:
    run = store.create(make_config(**chosen))
    store.set_status(run, "finished", summary={"best_val_accuracy": accuracy, "test_accuracy": 0.1})
    return store.run(run)


def test_only_settings_that_differ_are_listed_with_the_value_of_each_run(store: Store):
    runs = [finished(store, 0.9, epochs=5), finished(store, 0.8, epochs=5, learning_rate=0.01), finished(store, 0.7, epochs=6)]
    assert differing_settings(runs) == {"epochs": [5, 5, 6], "learning_rate": [0.001, 0.01, 0.001]}
    assert differing_settings(runs[:1]) == {} and differing_settings([]) == {}


def test_settings_without_effect_neither_differ_nor_separate_groups(store: Store):
    runs = [
        finished(store, 0.9, model="efficientnet", depth=depth, momentum=momentum) for depth, momentum in ((2, 0.5), (4, 0.9))
    ]
    assert differing_settings(runs) == {} and len(group_by_settings(runs)) == 1
    other = finished(store, 0.9, model="simple", depth=4)
    assert differing_settings([*runs, other])["depth"] == [None, None, 4]


def test_a_repeated_run_has_the_same_settings_and_the_seed_after_the_highest_one(store: Store):
    runs = [finished(store, 0.9, seed=seed, epochs=4) for seed in (3, 7)] + [finished(store, 0.9, seed=50)]
    for run in runs[:2]:
        assert with_new_seed(run, runs) == make_config(seed=8, epochs=4)
    highest = finished(store, 0.9, seed=MAX_SEED, epochs=4)
    assert with_new_seed(highest, [*runs, highest]).seed not in (3, 7, MAX_SEED)


def test_runs_that_differ_only_in_their_seed_are_one_group_with_the_mean_and_std_of_validation_accuracy(store: Store):
    accuracies = [0.91, 0.93, 0.95]
    runs = [finished(store, accuracy, seed=seed) for seed, accuracy in enumerate(accuracies)]
    runs.insert(1, finished(store, 0.5, epochs=3))
    runs.append(finished(store, None, seed=9))
    first, second = group_by_settings(runs)
    assert [run.config.seed for run in first.runs] == [0, 1, 2, 9] and first.accuracies == accuracies
    assert first.mean == pytest.approx(np.mean(accuracies)) and first.std == pytest.approx(np.std(accuracies, ddof=1))
    assert second.mean == 0.5 and second.std is None
    assert group_by_settings([finished(store, None)])[0].mean is None


def test_a_clear_difference_is_significant_and_the_sentence_says_who_is_better_by_how_much():
    first, second = [0.90, 0.91, 0.92], [0.80, 0.81, 0.82]
    p = ttest_ind(first, second, equal_var=False).pvalue
    verdict = compare_accuracies(second, first, ("plain", "wide"))
    counts = COUNTS.format(first=3, second=3)
    assert verdict == BETTER.format(better="wide", worse="plain", points=10, conclusion=SIGNIFICANT, p=p, counts=counts)
    assert is_a_sentence(verdict)


def test_a_difference_within_the_noise_is_not_significant():
    verdict = compare_accuracies([0.90, 0.95, 0.85, 0.91, 0.89], [0.89, 0.94, 0.86, 0.90, 0.88])
    assert tells(verdict, "A", "B", NOT_SIGNIFICANT, COUNTS.format(first=5, second=5))


def test_single_runs_are_never_called_better():
    text = compare_accuracies([0.99], [0.10, 0.11])
    counts = COUNTS.format(first=1, second=2)
    assert text == SINGLE_RUNS.format(first="A", second="B", counts=counts) and is_a_sentence(text)


@pytest.mark.parametrize(("first", "second", "p"), [([0.5, 0.5], [0.5, 0.5], "p = 1,"), ([0.6, 0.6], [0.5, 0.5], "p = 0,")])
def test_figures_without_any_spread_are_no_mistake(first: list[float], second: list[float], p: str):
    assert p in compare_accuracies(first, second)


def test_a_difference_is_called_significant_as_often_as_chance_allows_where_there_is_no_difference():
    rng = np.random.default_rng(0)
    claims = sum(
        f" {SIGNIFICANT} " in compare_accuracies(*rng.normal(0.9, 0.01, (2, 5)).tolist()).replace(NOT_SIGNIFICANT, "")
        for _ in range(400)
    )
    assert 4 <= claims <= 36  # 5% of 400 is 20
