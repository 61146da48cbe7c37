"""Histories for charts: bounded columns with the whole envelope, updates that join without a seam, and the run's summary."""

import json
from dataclasses import asdict, replace

import pytest

from cnn_core.events import Changed, Event, Finished, Note, Progress, Resumed, StageStarted
from cnn_core.runs.chart_columns import describe_trained
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History, HistoryPosition
from cnn_core.runs.summary import summarise_history
from tests.helpers import tells
from tests.runs.histories import STARTED, epoch, history_of, long_run, steps


def test_events_added_one_by_one_or_all_at_once_give_the_same_history():
    events = long_run(300, per_report=10, per_epoch=50)
    slowly = History()
    for seq, event in enumerate(events, start=1):
        slowly.add([StoredEvent(seq, event)])
    assert slowly.snapshot() == history_of(events).snapshot() and slowly.position() == history_of(events).position()


def test_an_empty_history_can_be_drawn_and_summarised():
    snapshot = json.loads(json.dumps(History().snapshot()))
    assert snapshot["steps"]["loss"] == {"x": [], "y": []} and snapshot["epochs"] == []
    assert snapshot["step"] == snapshot["steps_total"] == 0 and snapshot["best"] is snapshot["seconds_left"] is None
    assert summarise_history(History())["epochs"] == 0 and summarise_history(History())["test_accuracy"] is None


def test_the_time_left_is_the_pace_so_far_times_the_steps_left():
    history = history_of([STARTED])
    assert history.seconds_left is None
    history = history_of([STARTED, steps(20, 20)])
    assert history.seconds_left == pytest.approx(30 * 0.011)
    assert history_of([STARTED, steps(50, 50)]).seconds_left == pytest.approx(0)


def test_the_time_left_is_the_pace_of_the_stage_without_what_was_prepared_before_it():
    def after(seconds: float, event):
        return replace(event, seconds=event.seconds + seconds)

    head = [STARTED, StageStarted("head", 1, 2, 10, 99), after(100, steps(4, 4)), after(100, steps(20, 16))]
    history = history_of(head)
    assert history.seconds_left == pytest.approx(30 * 0.011, rel=0.05), "features took 100 s before the first step"
    slow = [replace(steps(last, 1), seconds=200.0 + last) for last in (21, 22)]  # a second a step, long after the head
    whole = [*head, StageStarted("all", 2, 2, 99, 99)]
    assert history_of(whole).seconds_left is None and history_of([*whole, slow[0]]).seconds_left is None
    assert history_of([*whole, *slow]).seconds_left == pytest.approx(28)
    for again in ([Resumed(20, 1)], [Resumed(4, 0)], [Resumed(0, 0)], [Resumed(20, 1), StageStarted("all", 2, 2, 99, 99), *slow]):
        left = history_of([*whole, *slow, *again]).seconds_left
        assert left is None or left > 0


def test_the_speed_shown_is_of_the_last_seconds_and_in_the_end_of_the_whole_run():
    slow = [replace(steps(last, 1), train_seconds=last * 1.0) for last in range(1, 51)]
    fast = [replace(steps(last, 1), train_seconds=50 + (last - 50) * 0.01) for last in range(51, 101)]
    history = history_of([STARTED])
    assert history.images_per_second is None
    history.add([StoredEvent(2, slow[0])])
    assert history.images_per_second == pytest.approx(64)
    history.add([StoredEvent(seq, event) for seq, event in enumerate((*slow[1:], *fast), start=3)])
    assert history.images_per_second == history.update(HistoryPosition(0, 0, 0))["images_per_second"] == pytest.approx(6400)
    history.add([StoredEvent(200, Finished(test_accuracy=0.9, test_loss=0.3))])
    assert history.images_per_second == pytest.approx(100 * 64 / 50.5)


def test_the_stage_names_the_work_outside_the_training_steps():
    reading = Progress("Reading images", 3, 9)
    for events, stage in (
        ([reading], asdict(reading)),
        ([reading, STARTED, steps(10, 10)], None),
        ([steps(10, 10), Progress("Validating", 1, 2)], {"stage": "Validating", "done": 1, "total": 2}),
        ([Progress("Validating", 1, 2), epoch(1, 10)], None),
        ([Progress("Drawing", 0, 1), Finished(0.9, 0.3)], None),
    ):
        assert history_of(events).snapshot()["stage"] == stage


@pytest.mark.parametrize(("step", "ended", "number"), [(1, 0, 1), (9, 0, 1), (10, 0, 1), (10, 1, 1), (11, 1, 2), (50, 5, 5)])
def test_the_epoch_shown_is_that_of_the_last_step_whether_the_run_goes_on_or_has_ended(step: int, ended: int, number: int):
    ends = [epoch(n, 10 * n) for n in range(1, ended + 1)]
    assert history_of([STARTED, steps(step, step), *ends]).snapshot()["epoch"] == number
    assert history_of([STARTED, *ends, STARTED, Resumed(step, ended), steps(step, 1)]).snapshot()["epoch"] == number
    assert History().snapshot()["epoch"] == 0


def test_the_summary_has_the_figures_of_the_best_epoch_and_of_training_alone():
    events = [
        STARTED,
        Note("Left out: a.png is damaged."),
        steps(10, 10),
        epoch(1, 10, val_accuracy=0.5),
        steps(20, 10, epoch=2),
        epoch(2, 20, val_accuracy=0.8),
        steps(30, 10, epoch=3),
        epoch(3, 30, is_best=False, val_accuracy=0.7),
        Finished(test_accuracy=0.75, test_loss=0.6),
    ]
    history = history_of(events)
    assert history.notes == ["Left out: a.png is damaged."]
    assert summarise_history(history) == {
        "epochs": 3,
        "best_epoch": 2,
        "best_val_accuracy": 0.8,
        "test_accuracy": 0.75,
        "test_loss": 0.6,
        "train_seconds": pytest.approx(0.3),
        "images_per_second": pytest.approx(6400),
        "device": "CPU, 2 threads",
        "parameters": 506_154,
    }
    assert history.snapshot()["best"]["epoch"] == 2 and history.snapshot()["epochs_done"] == 3


def test_a_history_of_a_real_run_shows_every_step_and_epoch_of_it(digits_run):
    history = History()
    history.add(digits_run.store.log.read(digits_run.id))
    snapshot = history.snapshot()
    assert snapshot["steps"]["loss"]["x"] == list(range(1, 6 * 20 + 1)) and snapshot["seconds_left"] == 0
    assert [e["epoch"] for e in snapshot["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert history.seq == len(digits_run.store.log.read(digits_run.id))


@pytest.mark.parametrize(("step", "done", "reached"), [(20, 2, 26), (16, 1, 26), (10, 1, 20), (0, 0, 12), (26, 2, 26)])
def test_after_a_resumption_the_history_is_that_of_a_run_without_one(step: int, done: int, reached: int):
    def reports(first: int, last: int) -> list[Event]:
        """A report every second step, an epoch every tenth."""
        found: list[Event] = []
        for number in range(first + 2, last + 1, 2):
            found.append(steps(number, 2, epoch=(number - 1) // 10 + 1))
            found += [epoch(number // 10, number, is_best=number == 10)] if number % 10 == 0 else []
        return found

    whole = history_of([STARTED, *reports(0, 40)])
    resumed = history_of([STARTED, *reports(0, reached), STARTED, Resumed(step, done)])
    assert resumed.snapshot()["steps"]["loss"]["x"] == list(range(1, step + 1))
    assert [e["epoch"] for e in resumed.snapshot()["epochs"]] == list(range(1, done + 1))
    assert resumed.resumed == resumed.seq
    if step == 10 * (done + 1):
        resumed.add([StoredEvent(resumed.seq + 1, epoch(done + 1, step))])
    for event in reports(step, 40):
        resumed.add([StoredEvent(resumed.seq + 1, event)])
    mine, theirs = ({**history.snapshot(), "seq": 0} for history in (resumed, whole))
    for snapshot in (mine, theirs):
        snapshot.pop("images_per_second")  # of the last five seconds, of which a resumption has fewer
    assert mine == theirs and summarise_history(resumed) == summarise_history(whole) and resumed.best == whole.best


def test_a_history_that_was_never_resumed_says_so():
    assert history_of([STARTED, steps(10, 10)]).resumed == 0


def test_a_note_repeated_after_a_resumption_is_stored_once():
    note = Note("Left out: a.png is damaged.")
    assert history_of([note, STARTED, steps(2, 2), note, STARTED, Resumed(2, 0)]).notes == [note.text]


def test_early_stopping_is_counted_in_what_is_drawn():
    started, waiting = replace(STARTED, patience=5), replace(epoch(2, 20, is_best=False), waited=1)
    snapshot = history_of([started, epoch(1, 10), waiting]).snapshot()
    assert (snapshot["patience"], snapshot["waited"]) == (5, 1)
    assert (History().snapshot()["patience"], History().snapshot()["waited"]) == (0, 0)


def test_changes_are_described_move_the_last_epoch_and_are_discarded_by_a_resumption():
    events = [STARTED, steps(10, 10), Changed(10, {"learning_rate": 0.01, "epochs": 9}), steps(20, 10)]
    facts = history_of(events).snapshot()
    assert facts["changes"] == [{"step": 10, "text": "Learning rate 0.01, epochs 9"}]
    assert (facts["epochs_total"], facts["steps_total"]) == (9, 90)
    before, lost = (history_of([*events, STARTED, Resumed(step, step // 10)]).snapshot() for step in (10, 9))
    assert (before["epochs_total"], len(before["changes"])) == (9, 1)
    assert (lost["epochs_total"], len(lost["changes"])) == (5, 0)


def test_what_a_report_says_once_is_one_point_and_what_it_cannot_say_is_none():
    spoken = replace(steps(10, 10), gradient_norm=2.5, memory=300_000_000, load=0.75)
    history = history_of([STARTED, spoken, steps(20, 10)])
    gauges = history.snapshot()["gauges"]
    assert gauges["gradient_norm"] == {"x": [10], "y": [2.5]} and gauges["load"] == {"x": [10], "y": [0.75]}
    assert gauges["learning_rate"]["x"] == [10, 20]
    assert history.update(replace(history.position(), steps=10))["gauges"]["learning_rate"]["x"] == [20]


def test_a_resumption_takes_gauges_back_too():
    history = history_of([STARTED, steps(10, 10), steps(20, 10), STARTED, Resumed(10, 1)])
    assert history.snapshot()["gauges"]["learning_rate"]["x"] == [10]


def test_the_classes_are_reported_once_before_the_first_step():
    started = replace(STARTED, classes=("cat", "dog"))
    before, begun, later = History(), history_of([started]), history_of([started, steps(10, 10)])
    assert before.snapshot()["classes"] is None and later.snapshot()["classes"] == ["cat", "dog"]
    assert begun.update(before.position())["classes"] == ["cat", "dog"]
    assert later.update(begun.position())["classes"] == ["cat", "dog"] and later.update(later.position())["classes"] is None


def test_the_stage_of_a_training_from_pretrained_weights_is_drawn_with_what_learns():
    head, everything = StageStarted("head", 1, 2, 2562, 3_373_570), StageStarted("all", 2, 2, 3_373_570, 3_373_570)
    history = history_of([STARTED, head, steps(10, 10)])
    assert history.snapshot()["trained"] == history.update(history.position())["trained"] == describe_trained(head)
    assert tells(describe_trained(head)["detail"], "1", "2", "2,562", "3,373,570")
    history.add([StoredEvent(history.seq + 1, everything)])
    assert history.snapshot()["trained"] == describe_trained(everything) != describe_trained(head)
    assert history_of([STARTED, steps(10, 10)]).snapshot()["trained"] is None
    assert "1 of 1" not in describe_trained(StageStarted("head", 1, 1, 5, 9))["detail"], "the only stage has no number"
