"""On a server that people share, attempts with the same question use the same runs, and nobody loses a result through another person."""

import json
import threading

import pytest

from cnn_core.data.open import open_source
from cnn_core.events import Changed
from cnn_core.home import Home
from cnn_core.lessons.attempts import (
    Attempt,
    completed_exercises,
    latest_attempt,
    read_runs,
    run_label,
    start_attempt,
    stop_attempt,
)
from cnn_core.runs.limits import Limits
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.sharing import is_used_by_others
from cnn_core.runs.store import Store

LABELS = ["A0", "B0", "A1", "B1"]


def begin(store: Store, owner: str, pairs: int = 2, prediction: str = "lower") -> Attempt:
    return start_attempt(store, "dropout", "digits", prediction, owner, pairs)


def finish(store: Store, attempt: Attempt) -> None:
    for run in read_runs(store, attempt).runs:
        store.set_status(run.id, "finished")


def test_two_who_ask_the_same_question_share_its_runs_and_nothing_else(store: Store):
    ann, ben = begin(store, "ann"), begin(store, "ben", 2, "higher")
    assert len(store.runs()) == 4 and len(store.queue.waiting()) == 4
    runs = {attempt.owner: read_runs(store, attempt) for attempt in (ann, ben)}
    assert runs["ann"].runs == runs["ben"].runs and [run_label(run) for run in runs["ben"].runs] == LABELS
    assert runs["ann"].shared == [] and len(runs["ben"].shared) == 4 and {run.owner for run in store.runs()} == {"ann"}
    assert latest_attempt(store, "dropout", "ben").attempt.prediction == "higher" != ann.prediction
    finish(store, ann)
    assert completed_exercises(store, "ann") == completed_exercises(store, "ben") == {"dropout"}
    begin(store, "cleo")  # after the runs are finished too
    assert len(store.runs()) == 4 and completed_exercises(store, "cleo") == {"dropout"}


def test_only_the_seeds_that_nobody_trained_are_added(store: Store):
    begin(store, "ann", 1)
    more = begin(store, "ben", 2)
    assert [(run_label(run), run.owner) for run in read_runs(store, more).runs] == [
        *zip(LABELS, ["ann"] * 2 + ["ben"] * 2, strict=True)
    ]
    assert not is_used_by_others(store.database, read_runs(store, more).runs[2].id)


def test_a_waiting_run_of_another_does_not_count_for_ones_own_limit(home: Home):
    store = Store(home, Limits(queue_limit=4))
    begin(store, "ann")
    begin(store, "ben")
    assert len(store.runs()) == 4


def test_the_only_user_of_a_machine_trains_every_attempt(store: Store):
    finish(store, begin(store, ""))
    begin(store, "")
    assert len(store.runs()) == 8


@pytest.mark.parametrize("case", ["stopped", "failed", "paused", "changed", "to be stopped", "other data", "in the bin"])
def test_a_run_that_may_give_another_result_is_not_shared(store: Store, case: str):
    run = read_runs(store, begin(store, "ann", 1)).runs[0].id
    if case in ("stopped", "failed", "paused"):
        store.set_status(run, case)
    elif case == "changed":
        store.log.append(run, [Changed(1, {"learning_rate": 0.1})])
    elif case == "to be stopped":
        store.set_status(run, "running")
        store.requests.stop(run)
    elif case == "other data":
        for _ in open_source("digits", store.home).load("train"):
            pass
        (store.home.run_folder(run) / "model.json").write_text('{"fingerprint": "another"}')
    else:
        store.set_status(run, "finished")
        RunOrganizer(store).remove(run)
    ben = read_runs(store, begin(store, "ben", 1))
    assert run not in [each.id for each in ben.runs] and [run_label(each) for each in ben.runs] == LABELS[:2]


def test_a_run_that_its_owner_stops_trains_on_for_the_others(store: Store):
    ann, ben = begin(store, "ann"), begin(store, "ben")
    begin(store, "cleo")
    stop_attempt(store, ann)
    assert {(run.owner, run.status) for run in store.runs()} == {("ben", "queued")} and read_runs(store, ann).runs == ()
    assert not read_runs(store, ben).shared and len(store.queue.waiting()) == 4
    stop_attempt(store, ben)
    assert {(run.owner, run.status) for run in store.runs()} == {("cleo", "queued")}
    stop_attempt(store, latest_attempt(store, "dropout", "cleo").attempt)
    assert {run.status for run in store.runs()} == {"stopped"}


def test_whoever_uses_the_runs_of_another_only_leaves_them(store: Store):
    begin(store, "ann")
    ben = begin(store, "ben")
    stop_attempt(store, ben)
    assert {run.status for run in store.runs()} == {"queued"} and read_runs(store, ben).runs == ()


def test_a_finished_run_that_its_owner_removes_passes_to_who_uses_it(store: Store):
    ann, ben = begin(store, "ann"), begin(store, "ben")
    finish(store, ann)
    organizer = RunOrganizer(store)
    for run in read_runs(store, ann).runs:
        organizer.remove(run.id)
    assert {run.owner for run in store.runs()} == {"ben"} and organizer.removed() == []
    assert completed_exercises(store, "ben") == {"dropout"} and completed_exercises(store, "ann") == set()
    for run in read_runs(store, ben).runs:
        organizer.remove(run.id)
    assert store.runs() == [] and organizer.empty_bin() == 4


def test_runs_that_began_before_the_data_was_imported_are_found_too(store: Store):
    ann = begin(store, "ann", 1)
    assert open_source("digits", store.home).info.fingerprint == ""
    for _ in open_source("digits", store.home).load("train"):
        pass
    version = open_source("digits", store.home).info.fingerprint
    for run in read_runs(store, ann).runs:
        (store.home.run_folder(run.id) / "model.json").write_text(json.dumps({"fingerprint": version}))
    assert version and read_runs(store, begin(store, "ben", 1)).runs == read_runs(store, ann).runs


def test_those_who_start_at_the_same_moment_share_too(store: Store):
    people = [f"person-{number}" for number in range(6)]
    threads = [threading.Thread(target=begin, args=(store, name, 1)) for name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.runs()) == 2 and all(len(latest_attempt(store, "dropout", name).runs) == 2 for name in people)
