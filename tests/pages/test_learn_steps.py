"""The Learn page: how long an attempt takes, how much of it is left, and the exercise that comes after it."""

import pytest

from cnn_core.events import Epoch, Finished, Started
from cnn_core.lessons.attempts import read_runs, start_attempt
from cnn_core.lessons.exercises import EXERCISES
from cnn_core.runs.lock import hold
from pages.views.learn.attempt import STOPPING, TIME_LEFT
from pages.views.learn.attempt_form import AS_BEFORE, digits_duration
from pages.views.learn.exercises import ALL_COMPLETED, KEY, NEXT_EXERCISE, next_exercise

NAMES = list(EXERCISES)


def end(store, runs, seconds=8.0):
    for run in runs:
        started = Started(126_842, "CPU", 719, 719, 359, 12, 20, classes=tuple("0123456789"), class_counts=(72,) * 10)
        store.log.append(run.id, [started, Epoch(1, 12, 0.2, 0.9, 0.3, 0.9, True, 1.0, 1.0), Finished(0.9, 0.3)])
        store.set_status(run.id, "finished", summary={"seconds": seconds})


def complete(store, name):
    end(store, read_runs(store, start_attempt(store, name, "digits", "lower", pairs=1)).runs)


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


def test_the_page_says_that_the_runs_stop_until_they_have_stopped(empty, open_page):
    (first, _) = read_runs(empty, start_attempt(empty, "dropout", "digits", "lower", pairs=1)).runs
    with hold(empty.home.run_folder(first.id)):
        empty.set_status(first.id, "running")
        at = open_page("learn", lesson="dropout")
        at.button(key="stop-attempt").click().run()
        assert empty.requests.should_stop(first.id) and STOPPING in texts(at) and not at.toast
        assert "stop-attempt" not in [button.key for button in at.button] and not at.exception
        empty.set_status(first.id, "stopped")
    assert STOPPING not in texts(open_page("learn", lesson="dropout"))


def test_the_time_left_is_that_of_the_runs_that_have_not_ended_at_the_speed_of_those_that_have(empty, open_page):
    attempt = start_attempt(empty, "dropout", "digits", "lower", pairs=2)
    runs = read_runs(empty, attempt).runs
    assert read_runs(empty, attempt).seconds_left is None
    end(empty, runs[:1], 8.0)
    end(empty, runs[1:2], 12.0)
    assert read_runs(empty, attempt).seconds_left == pytest.approx(20)
    empty.set_status(runs[2].id, "running")
    assert TIME_LEFT.format(duration="15 s") in texts(open_page("learn", lesson="dropout"))
    end(empty, runs)
    assert read_runs(empty, attempt).seconds_left is None


def test_the_estimate_is_that_of_earlier_runs_of_the_exercise_where_there_are_some(empty, open_page):
    assert digits_duration(3) in texts(open_page("learn", lesson="dropout"))
    complete(empty, "dropout")
    assert AS_BEFORE.format(runs="6 runs", duration="48 s") in texts(open_page("learn", lesson="dropout"))
    assert digits_duration(3) in texts(open_page("learn", lesson="epochs"))


def test_a_completed_exercise_leads_to_the_next_one_that_is_not_completed(empty, open_page):
    first, second, third = NAMES[:3]
    assert next_exercise(first, set()) == second and next_exercise(NAMES[-1], {first}) == second
    complete(empty, second)
    assert not [button for button in open_page("learn", lesson=first).button if button.key == "next-exercise"]
    complete(empty, first)
    at = open_page("learn", lesson=first)
    button = at.button(key="next-exercise")
    assert button.label == NEXT_EXERCISE.format(title=EXERCISES[third].title)
    button.click().run()
    assert at.session_state[KEY] == third and at.query_params["lesson"] == third and not at.exception


def test_after_the_last_exercise_there_is_no_next_one(empty, open_page):
    for name in NAMES:
        complete(empty, name)
    at = open_page("learn", lesson=NAMES[0])
    assert ALL_COMPLETED in [message.value for message in at.success] and not at.exception
