"""The exercises: one card per learning point, each of which trains pairs of runs that differ in one thing.

The address names the card that is open (`?lesson=dropout`). What is done, expected and found is read from the store, so it is the same
in every tab and after a restart.
"""

import streamlit as st

from cnn_core.lessons.attempts import last_try, lessons_done
from cnn_core.lessons.cards import LESSONS, Lesson, find_lesson
from pages.shared.address import follow_address, tell_address
from pages.shared.people import person
from pages.shared.server import get_store
from pages.views.learn.attempt import show_attempt, show_form
from pages.views.learn.pictures import show_picture
from pages.views.learn.words import differing, glossary_links

KEY = "learn-lesson"


def show_exercises() -> None:
    """All cards by name, and the chosen one."""
    done = lessons_done(get_store(), person())
    st.write(
        "Change one thing, train without it (A) and with it (B), and see the difference. Say first what you expect: "
        "that is what makes it an experiment."
    )
    st.progress(len(done) / len(LESSONS), f"{len(done)} of {len(LESSONS)} done")
    lesson = _choose(done)
    with st.container(border=True, key="lesson"):
        _show_card(lesson, lesson.name in done)


def _choose(done: set[str]) -> Lesson:
    """The card that is open; the first that is not done where the address names none."""
    names = list(LESSONS)
    first = next((name for name in names if name not in done), names[0])
    if KEY not in st.session_state and "lesson" not in st.query_params:
        st.session_state[KEY] = first
    follow_address("lesson", KEY, names)
    chosen = st.pills(
        "Exercise",
        names,
        key=KEY,
        required=True,
        format_func=lambda name: _label(LESSONS[name], name in done),
        help="A tick marks what is done. Any of them can be done again.",
    )
    tell_address("lesson", KEY, chosen)
    return find_lesson(chosen)


def _label(lesson: Lesson, is_done: bool) -> str:
    return f":material/{'check_circle' if is_done else lesson.icon}: {lesson.title}"


def _show_card(lesson: Lesson, is_done: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(lesson.title, width="content")
        st.badge(f"{lesson.kind} of the tutorial", icon=":material/school:", color="gray")
        if is_done:
            st.badge("done", icon=":material/check_circle:", color="green")
    words, picture = st.columns([3, 2], gap="large")
    with words:
        st.write(lesson.learn)
        st.markdown(f"**A, {lesson.names[0]}:** {differing(lesson, 'A')}  \n**B, {lesson.names[1]}:** {differing(lesson, 'B')}")
        st.caption(f"{lesson.source}. In the glossary: {glossary_links(lesson)}.")
    place = picture.container()
    tried = last_try(get_store(), lesson.name, person())
    if tried and tried.runs:
        show_attempt(lesson, tried)
    if not (tried and tried.is_active):
        show_form(lesson, is_again=bool(tried and tried.runs))
    with place:  # last, because it has to wait for torch, and the words need not
        show_picture(lesson)
