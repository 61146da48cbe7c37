"""An exercise being done: the prediction and the button, the pair live on the same axes, and what came of it."""

import streamlit as st

from cnn_core.config.settings_link import settings_query
from cnn_core.errors import StudioError
from cnn_core.lessons.attempts import MOST_PAIRS, PAIRS, Try, begin, look, outcome, place_of, stop, validation_count
from cnn_core.lessons.cards import DIGITS, SIDES, Lesson
from cnn_core.lessons.measures import PERIOD
from cnn_core.lessons.outcome import DIRECTIONS, UNKNOWN, compare_prediction, grain_in_words, in_words
from cnn_core.runs.run import Run
from pages.charts.components.overlay import overlay_groups
from pages.shared.links import page_file
from pages.shared.people import check_paths, person
from pages.shared.run_origin import LESSONS
from pages.shared.run_selection import STATUS
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.learn.duration import show_duration
from pages.views.learn.photographs import photograph_sets

HELD = ("running", "paused")  # what a run is while the machine is its own
LOOK_SECONDS = 2  # between two looks at which run trains; the curves grow by themselves


def show_form(lesson: Lesson, *, is_again: bool) -> None:
    """The question, what to expect, the images to train on, and the button."""
    with st.expander("Do it again", icon=":material/replay:") if is_again else st.container():
        st.markdown(f"**Your prediction.** {lesson.question}")
        words = {direction: f"It is {lesson.measure.words[direction]} with B" for direction in DIRECTIONS}
        prediction = st.radio(
            "Prediction",
            [*DIRECTIONS, UNKNOWN],
            index=None,
            format_func=lambda choice: words.get(choice, "I do not know"),
            horizontal=True,
            key=f"prediction-{lesson.name}",
            label_visibility="collapsed",
        )
        data, pairs = _choose_images(lesson)
        show_duration(lesson, data, pairs)
        if st.button(
            "Train both",
            type="primary",
            icon=":material/play_arrow:",
            disabled=prediction is None,
            key=f"train-{lesson.name}",
        ):
            _begin(lesson, data, prediction, pairs)
        if prediction is None:  # not as the button's help: a finger never sees that
            st.caption("Say first what you expect: choose one of the four answers above.")


def _choose_images(lesson: Lesson) -> tuple[str, int]:
    """The data set, and how many pairs of runs."""
    sets = {DIGITS: "Digits", **photograph_sets(get_store().home)}
    left, right = st.columns(2)
    data = left.selectbox(
        "Images (data set)",
        list(sets),
        format_func=lambda name: plain(sets[name]),
        key=f"images-{lesson.name}",
        help="Digits are included and quick. CIFAR-10, once it is on this machine, is offered too.",
    )
    pairs = right.number_input(
        f"Pairs (seeds, 1 to {MOST_PAIRS})",
        min_value=1,
        max_value=MOST_PAIRS,
        value=PAIRS,
        key=f"pairs-{lesson.name}",
        help="A and B begin with the same seed in each pair. One pair cannot tell an effect from chance; more pairs narrow the interval.",
    )
    if len(sets) == 1:
        st.page_link(
            page_file("data"),
            label="On photographs: get CIFAR-10",
            icon=":material/photo_library:",
            query_params={"set": "cifar10"},
        )
    return data, int(pairs)


def _begin(lesson: Lesson, data: str, prediction: str, pairs: int) -> None:
    try:
        with st.spinner("Checking the settings…"):
            check_paths(lesson.settings("B", data))
            begin(get_store(), lesson.name, data, prediction, person(), pairs)
    except StudioError as error:
        st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
        return
    st.rerun()


def show_attempt(lesson: Lesson, tried: Try) -> None:
    """Both curves, the state of the runs, and the outcome so far."""
    with st.container(key="attempt"):  # a fragment of one's own place: its length changes
        st.fragment(_show_state, run_every=LOOK_SECONDS if tried.is_active else None)(lesson, tried)
    groups = {
        f"{side}, {name}": [run for run in tried.runs if place_of(run).startswith(side)]
        for side, name in zip(SIDES, lesson.names, strict=True)
    }
    overlay_groups(groups, lesson.measure.curves)
    if not tried.is_active:
        _show_ways_on(lesson, tried)


def _show_state(lesson: Lesson, tried: Try) -> None:
    store = get_store()
    now = look(store, tried.attempt)
    if tried.is_active and not now.is_active:
        st.rerun()  # the whole page, which then looks no more
    if now.is_active:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_progress(now))
            if st.button("Stop", icon=":material/stop:", help="Pairs that are finished are kept."):
                stop(store, now.attempt)
                st.toast("Stopping. Finished pairs are kept.", icon=":material/stop_circle:")
    _show_outcome(lesson, now)


def _progress(now: Try) -> str:
    """Which of the runs are done, which one trains, and how many others come before the first of them."""
    marks = " · ".join(f"{place_of(run)} {STATUS[run.status][0]} {STATUS[run.status][2]}" for run in now.runs)
    if any(run.status in HELD for run in now.runs):
        return f"{marks}."
    store, mine = get_store(), {run.id for run in now.runs}
    before = next((place for place, run in enumerate(store.queue.waiting()) if run in mine), 0)
    before += sum(run.status in HELD for run in store.runs())
    return f"{marks}. {before} other {'run comes' if before == 1 else 'runs come'} before them." if before else f"{marks}."


def _show_outcome(lesson: Lesson, now: Try) -> None:
    """What the finished pairs say; with a sentence where there are none."""
    store, found = get_store(), outcome(get_store(), now, lesson.measure)
    if found is None:
        if not now.is_active:
            reasons = {run.error for run in now.runs if run.error}
            st.warning(
                f"The runs ended before a pair was finished. {plain(' '.join(sorted(reasons)))} Do the exercise again below.",
                icon=":material/warning:",
            )
        return
    count = validation_count(store, now)
    with st.container(border=True):
        st.markdown(
            f"**{'So far' if now.is_active else 'What came out'}.** {plain(in_words(found))} {grain_in_words(found, count)}"
        )
        if now.is_active:
            return
        st.markdown(plain(compare_prediction(found, now.attempt.prediction)))
        for other in lesson.others:
            st.markdown(f"Besides: {plain(in_words(outcome(store, now, other)))}")
        st.markdown(f"**Why.** {lesson.why}")
        st.caption(f"Every figure is a {PERIOD}.")


def _show_ways_on(lesson: Lesson, tried: Try) -> None:
    """From the outcome to the runs themselves and to the form."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(  # a link, not a button that switches: the way back leads to this exercise again
            page_file("configure"),
            label="Open B in Configure",
            icon=":material/tune:",
            query_params=settings_query(lesson.settings("B", tried.attempt.data).model_dump()),
            help="The form with the settings of run B. Nothing is started.",
        )
        for run in tried.runs:
            _link(run)
        query = {"made": LESSONS}
        st.page_link(page_file("runs"), label="All runs of exercises", icon=":material/table_rows:", query_params=query)


def _link(run: Run) -> None:
    st.page_link(page_file("train"), label=f"Run {place_of(run)}", icon=":material/show_chart:", query_params={"run": run.id})
