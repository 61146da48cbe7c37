"""The table of outcomes: for each person and exercise, what was predicted and whether the result agreed."""

import streamlit as st

from cnn_core.lessons.attempts import AttemptRuns, list_attempts, measure_effect, read_runs
from cnn_core.lessons.effect import Verdict, judge_prediction
from cnn_core.lessons.exercises import EXERCISES
from pages.shared.server import get_directory, get_store

OUTCOMES: dict[Verdict, str] = {
    "no prediction": "completed",
    "one pair": "one pair",
    "consistent": "agreed",
    "confirmed": "agreed",
    "not significant": "not significant",
    "different": "different",
}
TRAINING, ENDED = "training", "no result"
NO_ATTEMPTS = "No exercise has been started yet."


def show_outcomes() -> None:
    """Show the latest attempt of every person at every exercise."""
    st.header("Exercises")
    people = {visit.id: visit.name for visit in get_directory().visits()}
    outcomes = {owner: _outcomes_of(owner) for owner in people}
    started = [owner for owner in people if outcomes[owner]]
    if not started:
        st.caption(NO_ATTEMPTS)
        return
    columns = {exercise.title: [outcomes[owner].get(name, "") for owner in started] for name, exercise in EXERCISES.items()}
    st.dataframe({"Person": [people[owner] for owner in started], **columns}, hide_index=True, key="people-outcomes")


def _outcomes_of(owner: str) -> dict[str, str]:
    """Return the outcome of the person's latest attempt at each exercise, by the exercise's name."""
    store, found = get_store(), dict[str, str]()
    for attempt in list_attempts(store, owner):
        if attempt.exercise in EXERCISES and attempt.exercise not in found:
            current = read_runs(store, attempt)
            found[attempt.exercise] = TRAINING if current.is_active else _judge(current)
    return found


def _judge(current: AttemptRuns) -> str:
    effect = measure_effect(get_store(), current, EXERCISES[current.attempt.exercise].metric)
    return OUTCOMES[judge_prediction(effect, current.attempt.prediction)] if effect else ENDED
