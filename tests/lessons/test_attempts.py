"""Doing an exercise: its runs wait in the ordinary queue, pair by pair, and what came out is read from what they reported."""

import json
import sqlite3
from statistics import mean

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.errors import RunError, StudioError
from cnn_core.execution.in_process import execute
from cnn_core.home import Home
from cnn_core.lessons.attempts import attempts, begin, last_try, lessons_done, look, outcome, stop, validation_count
from cnn_core.lessons.cards import LESSONS
from cnn_core.lessons.measures import ACCURACY, LOSS
from cnn_core.runs.limits import Limits
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


def places(store, attempt):
    return [run.origin.rpartition("/")[2] for run in look(store, attempt).runs]


def test_the_runs_wait_pair_by_pair_with_the_settings_of_the_card(store):
    attempt = begin(store, "dropout", "digits", "lower", "ann@example.org")
    tried = look(store, attempt)
    assert places(store, attempt) == ["A0", "B0", "A1", "B1", "A2", "B2"]
    assert [run.id for run in tried.runs] == store.queue.waiting()
    lesson = LESSONS["dropout"]
    assert [run.config for run in tried.runs] == [
        lesson.settings(side, "digits", seed) for seed in range(3) for side in ("A", "B")
    ]
    assert {run.owner for run in tried.runs} == {"ann@example.org"} and tried.runs[
        0
    ].origin == f"lesson/dropout/{attempt.number}/A0"
    assert [run.name for run in tried.runs[:2]] == ["Dropout A0: no dropout", "Dropout B0: 30 % switched off"]
    assert tried.is_active and not tried.is_done and tried.pairs == [] and outcome(store, tried, ACCURACY) is None


def test_a_second_press_gives_the_attempt_that_is_under_way(store):
    first = begin(store, "dropout", "digits", "lower")
    assert begin(store, "dropout", "digits", "higher") == first and len(store.runs()) == 6
    other = begin(store, "epochs", "digits", "higher", pairs=1)
    assert other.number != first.number and len(store.runs()) == 8


@pytest.mark.parametrize(
    "given",
    [
        {"lesson": "nothing"},
        {"prediction": "perhaps"},
        {"pairs": 0},
        {"pairs": 7},
        {"data": "/no/such/folder"},
    ],
)
def test_what_cannot_be_trained_is_refused_in_words_and_leaves_no_trace(store, given):
    with pytest.raises(StudioError) as refused:
        begin(store, **{"lesson": "dropout", "data": "digits", "prediction": "lower"} | given)
    assert is_a_sentence(refused.value) and store.runs() == [] and attempts(store) == []


def test_where_the_queue_has_no_room_for_all_pairs_none_of_them_waits(home):
    store = Store(home, Limits(queue_share=5))
    with pytest.raises(RunError) as refused:
        begin(store, "dropout", "digits", "lower", "ann")
    assert is_a_sentence(refused.value) and store.runs() == [] and attempts(store, "ann") == []
    assert begin(store, "dropout", "digits", "lower", "ann", pairs=2) and len(store.queue.waiting()) == 4


def test_everybody_sees_their_own_attempts(store):
    ann, bob = (begin(store, "epochs", "digits", "higher", who, pairs=1) for who in ("ann", "bob"))
    assert attempts(store, "ann") == [ann] and attempts(store, "bob") == [bob] and attempts(store) == []
    assert last_try(store, "epochs", "ann").attempt == ann and last_try(store, "dropout", "ann") is None


def test_stopped_runs_are_no_outcome_and_the_exercise_is_not_done(store):
    attempt = begin(store, "epochs", "digits", "higher")
    stop(store, attempt)
    tried = look(store, attempt)
    assert {run.status for run in tried.runs} == {"stopped"} and not tried.is_active and not tried.is_done
    assert outcome(store, tried, ACCURACY) is None and lessons_done(store) == set()
    again = begin(store, "epochs", "digits", "higher")
    assert again.number > attempt.number and [one.number for one in attempts(store)] == [again.number, attempt.number]


def test_a_pair_that_was_trained_is_read_from_what_it_reported(store):
    attempt = begin(store, "batch-norm", "digits", "higher", pairs=1)
    for run in look(store, attempt).runs:
        assert execute(store, run.id) == "finished"
    tried = look(store, attempt)
    with sqlite3.connect(store.home.database) as db:
        losses = [
            [json.loads(body)["val_loss"] for (body,) in db.execute(
                "select body from events where run = ? and kind = 'Epoch' order by seq", (run.id,)
            )]
            for run in tried.runs
        ]  # fmt: skip
    assert [len(values) for values in losses] == [4, 4]
    assert outcome(store, tried, LOSS).pairs == (tuple(mean(values[-1:]) for values in losses),)
    assert validation_count(store, tried) == 719 and tried.is_done and lessons_done(store) == {"batch-norm"}
    # A later attempt that waits does not undo it, and neither does the bin.
    begin(store, "batch-norm", "digits", "same", pairs=1)
    for run in tried.runs:
        RunOrganizer(store).remove(run.id)
    assert lessons_done(store) == {"batch-norm"}


def test_a_run_without_a_lesson_belongs_to_none(store):
    store.create(make_config(), origin="search/dropout/1")
    store.create(make_config())
    attempt = begin(store, "dropout", "digits", "lower", pairs=1)
    assert len(look(store, attempt).runs) == 2
