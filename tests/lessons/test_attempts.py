"""Attempts at exercises: their runs are queued pair by pair, and the effect is computed from the events of the runs."""

import json
import sqlite3
from statistics import mean

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.errors import RunError, StudioError
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.lessons.attempts import (
    Attempt,
    completed_exercises,
    latest_attempt,
    list_attempts,
    measure_effect,
    read_runs,
    run_label,
    start_attempt,
    stop_attempt,
    validation_count,
)
from cnn_core.lessons.exercises import EXERCISES, VARIANTS
from cnn_core.lessons.final_metrics import ACCURACY, LOSS
from cnn_core.runs.limits import Limits
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


def test_the_runs_are_queued_pair_by_pair_with_the_settings_of_the_exercise(store):
    attempt = start_attempt(store, "dropout", "digits", "lower", "ann@example.org")
    found, exercise = read_runs(store, attempt), EXERCISES["dropout"]
    assert [run_label(run) for run in found.runs] == ["A0", "B0", "A1", "B1", "A2", "B2"]
    assert [run.id for run in found.runs] == store.queue.waiting()
    expected = [exercise.settings(variant, "digits", seed) for seed in range(3) for variant in VARIANTS]
    assert [run.config for run in found.runs] == expected
    assert {run.owner for run in found.runs} == {"ann@example.org"}
    assert found.runs[0].origin == f"lesson/dropout/{attempt.number}/A0"
    names = [f"{exercise.title} {variant}0: {exercise.variant_name(variant)}" for variant in VARIANTS]
    assert [run.name for run in found.runs[:2]] == names
    assert found.is_active and not found.is_completed and found.pairs == [] and measure_effect(store, found, ACCURACY) is None


def test_attempts_and_runs_stored_by_earlier_versions_are_read(store):
    with store.database.connect() as db:
        db.execute(
            "insert into attempts (number, lesson, data, owner, prediction, created) values (7, 'dropout', 'digits', 'ann', 'lower', 12.5)"
        )
    runs = [store.create(EXERCISES["dropout"].settings(label[0]), origin=f"lesson/dropout/7/{label}") for label in ("A0", "B0")]
    found = latest_attempt(store, "dropout", "ann")
    assert found.attempt == Attempt(7, "dropout", "digits", "ann", "lower", 12.5)
    assert [(run.id, run_label(run)) for run in found.runs] == [(runs[0], "A0"), (runs[1], "B0")]


def test_a_second_start_returns_the_active_attempt(store):
    first = start_attempt(store, "dropout", "digits", "lower")
    assert start_attempt(store, "dropout", "digits", "higher") == first and len(store.runs()) == 6
    other = start_attempt(store, "epochs", "digits", "higher", pairs=1)
    assert other.number != first.number and len(store.runs()) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"exercise": "nothing"},
        {"prediction": "perhaps"},
        {"pairs": 0},
        {"pairs": 7},
        {"data": "/no/such/folder"},
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_queued(store, wrong):
    with pytest.raises(StudioError) as refused:
        start_attempt(store, **{"exercise": "dropout", "data": "digits", "prediction": "lower"} | wrong)
    assert is_a_sentence(refused.value) and store.runs() == [] and list_attempts(store) == []


def test_if_the_queue_has_no_room_for_all_pairs_none_is_queued(home):
    store = Store(home, Limits(queue_share=5))
    with pytest.raises(RunError) as refused:
        start_attempt(store, "dropout", "digits", "lower", "ann")
    assert is_a_sentence(refused.value) and store.runs() == [] and list_attempts(store, "ann") == []
    assert start_attempt(store, "dropout", "digits", "lower", "ann", pairs=2) and len(store.queue.waiting()) == 4


def test_every_owner_has_attempts_of_their_own(store):
    ann, bob = (start_attempt(store, "epochs", "digits", "higher", who, pairs=1) for who in ("ann", "bob"))
    assert list_attempts(store, "ann") == [ann] and list_attempts(store, "bob") == [bob] and list_attempts(store) == []
    assert latest_attempt(store, "epochs", "ann").attempt == ann and latest_attempt(store, "dropout", "ann") is None


def test_an_attempt_whose_runs_were_stopped_has_no_effect_and_is_not_completed(store):
    attempt = start_attempt(store, "epochs", "digits", "higher")
    stop_attempt(store, attempt)
    found = read_runs(store, attempt)
    assert {run.status for run in found.runs} == {"stopped"} and not found.is_active and not found.is_completed
    assert measure_effect(store, found, ACCURACY) is None and completed_exercises(store) == set()
    second = start_attempt(store, "epochs", "digits", "higher")
    assert second.number > attempt.number and [each.number for each in list_attempts(store)] == [second.number, attempt.number]


def test_the_effect_of_a_trained_pair_is_computed_from_its_events(store):
    attempt = start_attempt(store, "batch-norm", "digits", "higher", pairs=1)
    for run in read_runs(store, attempt).runs:
        assert execute(store, run.id) == "finished"
    found = read_runs(store, attempt)
    with sqlite3.connect(store.home.database) as db:
        losses = [
            [json.loads(body)["val_loss"] for (body,) in db.execute(
                "select body from events where run = ? and kind = 'Epoch' order by seq", (run.id,)
            )]
            for run in found.runs
        ]  # fmt: skip
    assert [len(values) for values in losses] == [4, 4]
    assert measure_effect(store, found, LOSS).pairs == (tuple(mean(values[-1:]) for values in losses),)
    assert validation_count(store, found) == 719 and found.is_completed and completed_exercises(store) == {"batch-norm"}
    # The exercise stays completed when a later attempt waits and when the runs are in the bin.
    start_attempt(store, "batch-norm", "digits", "same", pairs=1)
    for run in found.runs:
        RunOrganizer(store).remove(run.id)
    assert completed_exercises(store) == {"batch-norm"}


def test_other_runs_do_not_belong_to_an_attempt(store):
    store.create(make_config(), origin="search/dropout/1")
    store.create(make_config())
    attempt = start_attempt(store, "dropout", "digits", "lower", pairs=1)
    assert len(read_runs(store, attempt).runs) == 2
