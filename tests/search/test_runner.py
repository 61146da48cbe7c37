"""A search worked off, with real trainings of a small image folder: what its trials are, and what becomes of those that end otherwise."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from cnn_core.config.suggestions import divergence_remedy
from cnn_core.errors import StudioError
from cnn_core.events import Epoch, Event, Note, Resumed
from cnn_core.execution.in_process import execute
from cnn_core.execution.worker import Worker
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.search.plan import SearchPlan
from cnn_core.search.runner import run_search
from cnn_core.search.sampling import sample_trial
from cnn_core.search.search_store import SearchStore
from cnn_core.search.search_worker import work_on_searches
from cnn_core.search.space import parse_space
from cnn_core.search.trial_monitor import PRUNED_NOTE
from tests.helpers import is_a_sentence, tiny_config

LONG = 500  # epochs, of which a test waits for the first


@pytest.fixture
def searches(store: Store) -> SearchStore:
    return SearchStore(store.home)


def ask_for(
    searches: SearchStore, image_folder: Path, *lines: str, trials: int = 2, sampler: str = "random", **chosen: Any
) -> SearchPlan:
    """A search called "it"."""
    base = tiny_config(image_folder, width=0.25, **chosen)
    plan = SearchPlan("it", base, parse_space(lines or ["learning_rate=0.001..0.01 log"]), trials, sampler)
    searches.create(plan)
    return plan


def work_off(searches: SearchStore, store: Store, **how: Any) -> None:
    usual = {"should_end": lambda: False, "wait": lambda: time.sleep(0.02)}
    run_search(searches, store, "it", **usual | how)


def at_first_epoch(do: Callable[[str], object]) -> Callable[[str, Event], None]:
    return lambda run, event: do(run) if isinstance(event, Epoch) else None


def runs_of(searches: SearchStore, store: Store) -> list[Run]:
    return store.created_by(searches.search("it").origin)


def seen(store: Store, run: str, kind: type) -> list[Any]:
    return [item.event for item in store.log.read(run, kinds=(kind,))]


def test_trials_are_ordinary_runs_with_the_drawn_settings(searches: SearchStore, store: Store, image_folder: Path):
    plan, announced = ask_for(searches, image_folder, "learning_rate=0.001..0.01 log", "optimizer=adam,sgd"), []
    work_off(searches, store, announce=announced.append)
    trials, runs = searches.trials("it"), runs_of(searches, store)
    assert searches.status("it") == "done" and searches.active() == []
    assert [trial.state for trial in trials] == ["complete", "complete"] and trials[0].settings != trials[1].settings
    assert [trial.run for trial in trials] == [run.id for run in runs] and {run.status for run in runs} == {"finished"}
    for trial, run in zip(trials, runs, strict=True):
        assert run.config == plan.trial_config(trial.settings) and run.origin == f"{searches.search('it').origin}/{trial.number}"
        assert trial.value == max(epoch.val_accuracy for epoch in seen(store, run.id, Epoch))
        assert trial.seconds == run.summary["train_seconds"]
    assert [(trial.number, trial.state) for trial in announced] == [
        (0, "running"),
        (0, "complete"),
        (1, "running"),
        (1, "complete"),
    ]


def test_a_hopeless_trial_is_ended_early_and_its_run_says_so(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, trials=7, epochs=LONG, learning_rate=1e-5)
    study, rate = searches.study("it"), optuna.distributions.FloatDistribution(0.001, 0.01, log=True)
    better = dict.fromkeys(range(1, LONG + 1), 1.1)  # no training can be as good, whatever it draws
    for number in range(6):
        earlier = optuna.trial.create_trial(
            value=1.1,
            params={"learning_rate": 0.001 + number / 1000},
            distributions={"learning_rate": rate},
            intermediate_values=better,
        )
        study.add_trial(earlier)
    work_off(searches, store)
    (run,), trial = runs_of(searches, store), searches.trials("it")[-1]
    epochs = seen(store, run.id, Epoch)
    assert (trial.state, run.status) == ("pruned", "stopped") and len(epochs) < 10
    assert trial.value == max(epoch.val_accuracy for epoch in epochs)
    assert seen(store, run.id, Note)[-1].text == PRUNED_NOTE.format(epoch=len(epochs), value=trial.value)


def test_a_cancelled_search_stops_its_trial_and_resumes_it(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, epochs=3, trials=1)
    work_off(searches, store, watch=at_first_epoch(lambda run: searches.cancel("it")))
    (run,) = runs_of(searches, store)
    assert run.status == "stopped" and run.can_resume and [trial.state for trial in searches.trials("it")] == ["running"]
    work_off(searches, store)  # it is cancelled: nothing happens
    assert runs_of(searches, store) == [run]
    searches.resume("it")
    work_off(searches, store)
    assert [row.status for row in runs_of(searches, store)] == ["finished"] and seen(store, run.id, Resumed)
    assert [epoch.epoch for epoch in seen(store, run.id, Epoch)] == [1, 2, 3] and searches.status("it") == "done"


def test_a_trial_that_a_person_stops_counts_with_what_it_had_reached(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, epochs=LONG, trials=1)
    work_off(searches, store, watch=at_first_epoch(store.requests.stop))
    (trial,) = searches.trials("it")
    assert trial.state == "pruned" and trial.value == seen(store, trial.run, Epoch)[0].val_accuracy
    assert searches.status("it") == "done"


def test_a_trial_that_lost_its_process_before_it_had_a_run_gets_one(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, "optimizer=adam,sgd", trials=1, epochs=1)
    searches.study("it").ask()  # and nothing of it was drawn
    work_off(searches, store)
    assert [(trial.number, trial.state) for trial in searches.trials("it")] == [(0, "complete")]


def test_an_unreported_result_is_reported_without_training_again(searches: SearchStore, store: Store, image_folder: Path):
    plan = ask_for(searches, image_folder, epochs=1, trials=1)
    trial = sample_trial(searches.study("it"), plan)
    run = store.create(
        plan.trial_config(plan.trial_settings(trial.params)), origin=f"{searches.search('it').origin}/{trial.number}"
    )
    assert execute(store, run) == "finished" and searches.trials("it")[0].state == "running"
    events = store.log.read(run)
    work_off(searches, store)
    assert searches.trials("it")[0].value == store.run(run).summary["best_val_accuracy"] and store.log.read(run) == events


def test_a_result_reported_by_two_processes_at_once_counts_once(searches: SearchStore, store: Store, image_folder: Path):
    plan, study = ask_for(searches, image_folder, epochs=1), searches.study("it")
    for trial in (sample_trial(study, plan) for _ in range(2)):
        origin = f"{searches.search('it').origin}/{trial.number}"
        execute(store, store.create(plan.trial_config(plan.trial_settings(trial.params)), origin=origin))
    work_off(searches, store, announce=lambda trial: study.tell(1, 0.25) if trial.number == 0 else None)
    first, second = searches.trials("it")
    assert first.value == store.run(first.run).summary["best_val_accuracy"] and second.value == 0.25
    assert searches.status("it") == "done"


def test_settings_that_are_impossible_together_are_a_failed_trial(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, "cutmix=0.5,1", schedule="plateau", trials=9)
    work_off(searches, store)
    trials = searches.trials("it")
    assert [trial.state for trial in trials] == ["failed", "failed"] and runs_of(searches, store) == []
    assert all(is_a_sentence(trial.error) and "plateau" in trial.error for trial in trials)


def test_a_trial_that_diverges_fails_with_the_reason_in_its_run(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(
        searches, image_folder, "learning_rate=9..10", optimizer="sgd", momentum=0.99, schedule="constant", trials=1, epochs=LONG
    )
    work_off(searches, store)
    (trial,) = searches.trials("it")
    assert (trial.state, trial.value) == ("failed", None)
    run = store.run(trial.run)
    assert run.error.endswith(divergence_remedy(run.config)) and searches.status("it") == "done"


def test_a_search_whose_images_are_gone_is_cancelled_and_says_why(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder)
    image_folder.rename(image_folder.with_name("elsewhere"))
    with pytest.raises(StudioError):
        work_off(searches, store)
    assert searches.status("it") == "cancelled" and is_a_sentence(searches.search("it").error)
    image_folder.with_name("elsewhere").rename(image_folder)
    searches.resume("it", 1)
    work_off(searches, store)
    assert [trial.number for trial in searches.trials("it")] == [0] and searches.status("it") == "done"


def test_a_server_runs_searches_and_the_next_server_continues_them(searches: SearchStore, store: Store, image_folder: Path):
    ask_for(searches, image_folder, epochs=6, trials=1)
    for ends_early in (True, False):
        worker = Worker(store, {"searcher": lambda should_end: work_on_searches(searches, store, should_end)})
        worker.start()
        until, goal = time.monotonic() + 60, 1 if ends_early else 6
        while (
            not ((runs := runs_of(searches, store)) and len(seen(store, runs[0].id, Epoch)) >= goal) and time.monotonic() < until
        ):
            time.sleep(0.02)
        while not ends_early and searches.status("it") == "searching" and time.monotonic() < until:
            time.sleep(0.02)
        worker.stop()
    (run,) = runs_of(searches, store)
    assert run.status == "finished" and [epoch.epoch for epoch in seen(store, run.id, Epoch)] == [1, 2, 3, 4, 5, 6]
    assert searches.status("it") == "done" and searches.best("it").run == run.id


def test_a_search_that_this_version_refuses_does_not_keep_the_next_one_waiting(
    searches: SearchStore, store: Store, image_folder: Path
):
    searches.create(SearchPlan("odd", tiny_config(image_folder), parse_space(["depth=1..2"])))
    with closing(sqlite3.connect(store.home.root / "searches.db")) as db, db:
        db.execute("update searches set plan = replace(plan, 'tpe', 'swarm')")
    ask_for(searches, image_folder, epochs=1, trials=1)
    until = time.monotonic() + 60
    work_on_searches(searches, store, lambda: searches.status("it") != "searching" or time.monotonic() > until)
    assert searches.status("it") == "done" and searches.active() == ["odd"]


def test_two_searches_on_one_server_take_turns_trial_by_trial(searches: SearchStore, store: Store, image_folder: Path):
    for name in ("first", "second"):
        base = tiny_config(image_folder, width=0.25, epochs=1)
        searches.create(SearchPlan(name, base, parse_space(["learning_rate=0.001..0.01 log"]), 2, "random"))
    until = time.monotonic() + 60
    work_on_searches(searches, store, lambda: not searches.active() or time.monotonic() > until)
    made = sorted((run.created, searches.name_of(run.origin)) for run in store.runs())
    assert [name for _, name in made] == ["first", "second", "first", "second"]
