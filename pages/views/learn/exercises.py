"""The exercises view: a list of all exercises, and the selected one with its introduction, its settings, its attempt and its illustration.

The address names the selected exercise (`?lesson=dropout`). Attempts, predictions and results are read from the run store, so they are the
same in every tab and after a restart.
"""

import streamlit as st

from cnn_core.config.schema import TrainConfig, has_effect, metadata
from cnn_core.config.setting import format_setting
from cnn_core.lessons.attempts import completed_exercises, latest_attempt
from cnn_core.lessons.exercises import DIGITS, EXERCISES, Exercise, Variant, find_exercise
from cnn_core.lessons.glossary import read_glossary
from pages.shared.address import read_address, write_address
from pages.shared.links import term_link
from pages.shared.people import person
from pages.shared.server import get_store
from pages.views.learn.attempt import show_attempt
from pages.views.learn.attempt_form import show_form
from pages.views.learn.illustrations import show_illustration

KEY = "learn-lesson"
PARAMETER = "lesson"  # of the address; the name is from an earlier version, and links with it still work
NEXT_EXERCISE = "Next exercise: {title}"
ALL_COMPLETED = "You have completed all exercises."
INTRODUCTION = "Each exercise trains a run without a change (A) and a run with the change (B), and measures the difference. Predict the result before you train."


def show_exercises() -> None:
    """Show the list of exercises and the selected one."""
    completed = completed_exercises(get_store(), person())
    st.write(INTRODUCTION)
    st.progress(len(completed) / len(EXERCISES), progress_text(len(completed)))
    exercise = _choose(completed)
    with st.container(border=True, key="lesson"):
        _show_exercise(exercise, completed)


def progress_text(completed: int) -> str:
    """Return how many exercises are completed."""
    return f"{completed} of {len(EXERCISES)} exercises completed"


def _choose(completed: set[str]) -> Exercise:
    """Return the selected exercise; at first the one in the address, else the first one that is not completed."""
    names = list(EXERCISES)
    if KEY not in st.session_state and PARAMETER not in st.query_params:
        st.session_state[KEY] = next((name for name in names if name not in completed), names[0])
    read_address(PARAMETER, KEY, names)
    chosen = st.pills(
        "Exercise",
        names,
        key=KEY,
        required=True,
        format_func=lambda name: _label(EXERCISES[name], is_completed=name in completed),
        help="Completed exercises have a check mark. You can repeat every exercise.",
    )
    assert chosen is not None  # because one is required
    write_address(PARAMETER, KEY, chosen)
    return find_exercise(chosen)


def _label(exercise: Exercise, *, is_completed: bool) -> str:
    return f":material/{'check_circle' if is_completed else exercise.icon}: {exercise.title}"


def _show_exercise(exercise: Exercise, completed: set[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(exercise.title, width="content")
        if exercise.name in completed:
            st.badge("completed", icon=":material/check_circle:", color="green")
    text, illustration = st.columns([3, 2], gap="large")
    with text:
        st.write(exercise.introduction)
        st.markdown(f"{_describe_variant(exercise, 'A')}  \n{_describe_variant(exercise, 'B')}")
        st.caption(f"Glossary: {_glossary_links(exercise)}.")
    place = illustration.container()
    latest = latest_attempt(get_store(), exercise.name, person())
    is_predicted = bool(latest and latest.runs)
    if latest and latest.runs:
        show_attempt(exercise, latest)
        if latest.is_completed:
            _offer_next(exercise, completed)
    if not (latest and latest.is_active):
        show_form(exercise, is_repeated=is_predicted)
    with place:  # last, because most illustrations load torch and would delay the rest of the page
        show_illustration(exercise, is_predicted=is_predicted)


def next_exercise(current: str, completed: set[str]) -> str | None:
    """Return the name of the first exercise after `current`, else of the first one, that is not completed; None if all are."""
    names = list(EXERCISES)
    place = names.index(current) + 1
    return next((name for name in names[place:] + names[:place] if name not in completed), None)


def _offer_next(exercise: Exercise, completed: set[str]) -> None:
    if name := next_exercise(exercise.name, completed):
        st.button(
            NEXT_EXERCISE.format(title=EXERCISES[name].title),
            key="next-exercise",
            type="primary",
            icon=":material/arrow_forward:",
            on_click=st.session_state.__setitem__,
            args=(KEY, name),
        )
    else:
        st.success(ALL_COMPLETED, icon=":material/check_circle:")


def _describe_variant(exercise: Exercise, variant: Variant) -> str:
    return f"**{variant}, {exercise.variant_name(variant)}:** {changed_settings(exercise, variant)}"


def changed_settings(exercise: Exercise, variant: Variant, data: str = DIGITS) -> str:
    """Return the settings of run A or B in which the two differ, with their units: "batch norm on", "rotation 10 degrees"."""
    own, other = (exercise.settings(each, data) for each in (variant, "B" if variant == "A" else "A"))
    named = exercise.settings_a.keys() | exercise.settings_b.keys() | exercise.photograph_settings_b.keys()
    changed = [name for name in TrainConfig.model_fields if name in named and getattr(own, name) != getattr(other, name)]
    shown = [name for name in changed if has_effect(name, own.model_dump())]
    return ", ".join(
        f"{(TrainConfig.model_fields[name].title or name).lower()} {_with_unit(name, getattr(own, name))}" for name in shown
    )


def _with_unit(name: str, value: bool | str | float) -> str:
    if isinstance(value, (bool, str)):
        return format_setting(value)
    unit = metadata(name).unit
    return f"{value:g} {unit}" if unit else f"{value:g}"


def _glossary_links(exercise: Exercise) -> str:
    """Return Markdown links to the exercise's terms."""
    return ", ".join(term_link(name, read_glossary()[name].title) for name in exercise.terms)
