"""The view “Few images”: three ways to train on 5 to 50 images of each class, predicted first, trained in the queue, and drawn as they finish."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.data.library import imported_values
from cnn_core.data.open import open_source
from cnn_core.errors import StudioError
from cnn_core.lessons.attempts import AttemptRuns, latest_attempt, read_runs, resume_attempt, stop_attempt, validation_count
from cnn_core.lessons.effect import UNKNOWN
from cnn_core.lessons.learning_curves import (
    DEFAULT_DRAWS,
    MAX_DRAWS,
    NAME,
    PREDICTIONS,
    SIZES,
    WAYS,
    Outcome,
    Way,
    asked_size,
    expected_seconds,
    judge,
    measure_curves,
    sizes_for,
    sizes_of,
    start_learning_curves,
)
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_duration, listed
from pages.charts.components.announcer import announce
from pages.charts.learning_curves import learning_curves_chart
from pages.shared.chart import show_chart
from pages.shared.links import page_file, term_link
from pages.shared.people import check_paths, person
from pages.shared.refusal import NOTHING_STARTED
from pages.shared.removed_set import show_data_error
from pages.shared.run_origin import LESSONS
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.learn.prediction import NO_PREDICTION, PREDICTION

REFRESH_SECONDS = 2
TITLE = "From scratch, frozen or fine-tuned?"
INTRODUCTION = (
    "A network can learn **from scratch**, or start from weights that were trained on the 1.3 million photographs of ImageNet. Of such a network only "
    "the last layer can be trained, while all others stay **frozen**, or every layer can be **fine-tuned**. All three are trained on {fewest} to "
    "{most} of your images of each class, several times with other images, and validated on the same ones."
)
RUNS = "{runs}, one after the other, on {sizes} images of each class; those on few images come first."
NOT_ENOUGH = "The data set has too few images for {sizes} of each class."
DURATION = "On two CPU cores this takes about {duration}. You can stop at any time and resume later."
QUESTION = "With {size} images of each class, which way gives the most accurate model?"
NO_SETS = "This exercise needs photographs. Import a folder of your own, with one sub-folder for each class, or get CIFAR-10."
NO_WEIGHTS = "The weights of ImageNet are not installed, so this exercise cannot be trained. Install the requirements again."
IMPORT = "Import images"
MISSING = "Choose your prediction first."
PROGRESS = "{ended} of {runs}"
TIME_LEFT = "about {duration} left"
STOP_HELP = "Stops the runs. The results of those that have ended stay, and the others can be resumed."
STOPPING = "The runs stop after the current step."
NOT_COMPLETED = "{runs} not completed. {reasons}"
RESUME_HELP = "Continues the runs that were stopped or have failed, with the same images."
ENDED, STOPPED = "The exercise has ended.", "The runs have stopped."  # read by screen readers
NOTHING = "The runs ended before all three ways were trained on {size} images of each class. {remedy}"
RESUME_OR_START, START_AGAIN = "Resume them, or start again below.", "Start again below."
CLEAR = "With {size} images of each class, **{best}** is the most accurate: {first:.1f}%, and {second} {other:.1f}%, in the mean over {draws}."
CLOSE = "With {size} images of each class, **{best}** ({first:.1f}%) and {second} ({other:.1f}%) are too close to tell apart, in the mean over {draws}."
AGREES, DIFFERS, OPEN = "Your prediction agrees.", "Your prediction was different.", "You made no prediction."
EXPLANATION = (
    "A network from scratch has to learn edges, textures and parts from your images alone, and a few dozen are too few for that. A frozen network "
    "knows them already; only the weights of the last layer are learned, which also keeps it from overfitting. Fine-tuning can adapt the other layers too, "
    "which pays with more images or with images that differ from photographs."
)
SOURCE = "J. Yosinski and others, How transferable are features in deep neural networks? (2014)"
BANDS = "Lines are means over the draws; bands reach from the lowest to the highest draw."
TERMS = {"weights": "starting weights", "train": "trained layers", "images_per_class": "images per class"}
CHOICES = {name: way.title.capitalize() for name, way in WAYS.items()} | {UNKNOWN: NO_PREDICTION}  # the texts of the predictions
ALT = "Validation accuracy of three ways to train against the number of images of each class"


def show_learning_curves() -> None:
    """Show the introduction, the latest attempt with its curves, and the form of a new one."""
    st.header(TITLE)
    st.write(INTRODUCTION.format(fewest=SIZES[0], most=SIZES[-1]))
    st.caption(f"Glossary: {', '.join(term_link(name, title) for name, title in TERMS.items())}.")
    latest = latest_attempt(get_store(), NAME, person())
    if latest and latest.runs:
        _show_attempt(latest)
    if not (latest and latest.is_active):
        with st.expander("New attempt", icon=":material/replay:") if latest and latest.runs else st.container():
            _show_form(is_repeated=bool(latest and latest.runs))


def _show_form(*, is_repeated: bool) -> None:
    sets = _sets()
    if not sets:
        st.info(NO_SETS, icon=":material/photo_library:")
        st.page_link(page_file("data"), label=IMPORT, icon=":material/add_photo_alternate:")
        return
    if not _has_weights():
        st.warning(NO_WEIGHTS, icon=":material/warning:")
        return
    place = st.container()
    prediction = st.radio(
        "Prediction",
        PREDICTIONS,
        index=None,
        format_func=CHOICES.__getitem__,
        horizontal=True,
        key="prediction-learning-curves",
        label_visibility="collapsed",
    )
    left, right = st.columns(2)
    data = left.selectbox(
        "Data set",
        list(sets),
        format_func=lambda name: plain(sets[name]),
        key="images-learning-curves",
        help="Of your imported data sets.",
    )
    draws = right.number_input(
        "Draws",
        min_value=1,
        max_value=MAX_DRAWS,
        value=DEFAULT_DRAWS,
        key="draws-learning-curves",
        help=f"How often the images are drawn anew, 1 to {MAX_DRAWS}. One draw may be due to chance.",
    )
    try:
        info = open_source(data, get_store().home).info
        sizes = sizes_for(info, make_config(data=data).validation_share)
        duration = format_duration(expected_seconds(data, info, int(draws)))
    except StudioError as error:
        st.warning(plain(error), icon=":material/warning:")
        return
    place.markdown(f"{PREDICTION} {QUESTION.format(size=asked_size(sizes))}")
    st.caption(" ".join(_describe_runs(sizes, int(draws), duration)))
    if st.button(
        "Train all three",
        type="secondary" if is_repeated else "primary",
        icon=":material/play_arrow:",
        disabled=prediction is None,
        key="train-learning-curves",
    ):
        _start(data, prediction or UNKNOWN, int(draws))
    if prediction is None:
        st.caption(MISSING)


@st.cache_data(show_spinner=False)
def _has_weights() -> bool:
    from cnn_core.models.embedded import find_embedded_weights  # imports torch

    return find_embedded_weights() is not None


def _describe_runs(sizes: tuple[int, ...], draws: int, duration: str) -> list[str]:
    """Return sentences on the runs that are trained, on those that are not for lack of images, and on how long this takes."""
    runs = counted(len(WAYS) * len(sizes) * draws, "short run")
    missing = SIZES[len(sizes) :]
    return [
        RUNS.format(runs=runs, sizes=listed(sizes)),
        *([NOT_ENOUGH.format(sizes=listed(missing, "or"))] if missing else []),
        DURATION.format(duration=duration),
    ]


def _sets() -> dict[str, str]:
    """Return the titles of the imported colour data sets by the value of the setting `data`."""
    home, sets = get_store().home, dict[str, str]()
    for value, title in imported_values(home).items():
        with suppress(StudioError):  # in the bin, or changed on the disk
            if open_source(value, home).info.channels > 1:
                sets[value] = title
    return sets


def _start(data: str, prediction: str, draws: int) -> None:
    try:
        with st.spinner("Checking the settings…"):
            check_paths(WAYS["frozen"].config(data, SIZES[0], 0))
            start_learning_curves(get_store(), data, prediction, person(), draws)
    except StudioError as error:
        show_data_error(error, NOTHING_STARTED)
        return
    st.rerun()


def _show_attempt(shown: AttemptRuns) -> None:
    size = asked_size(sizes_of(shown.runs))
    st.markdown(f"{PREDICTION} {QUESTION.format(size=size)} :blue-badge[{CHOICES[shown.attempt.prediction]}]")
    announce("learning-curves-ended", _announcement(shown))
    with st.container(key="learning-curves"):  # a fragment in a container of its own, because its height changes
        st.fragment(_show_status, run_every=REFRESH_SECONDS if shown.is_active else None)(shown)


def _show_status(shown: AttemptRuns) -> None:
    """Show progress, the curves so far and the outcome."""
    store = get_store()
    current = read_runs(store, shown.attempt)
    if shown.is_active and not current.is_active:
        st.rerun()  # the whole page, which no longer refreshes this fragment
    if current.is_active:
        _show_progress(current)
    elif left := [run for run in current.runs if run.can_resume]:
        _offer_resume(current, left)
    curves = measure_curves(current.runs)
    sizes = sizes_of(current.runs)
    if any(curves.values()):
        names = {WAYS[way].title: by_size for way, by_size in curves.items()}
        show_chart(learning_curves_chart(names, sizes), alt=ALT, key="learning-curves-chart")
        st.caption(BANDS)
    images = validation_count(store, current)
    outcomes = [outcome for size in sizes if (outcome := judge(current, size, images))]
    _show_outcome(current, outcomes, asked_size(sizes))


def _show_progress(current: AttemptRuns) -> None:
    ended = sum(not run.is_active for run in current.runs)
    left = "" if current.seconds_left is None else f", {TIME_LEFT.format(duration=format_duration(current.seconds_left))}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(ended / len(current.runs), f"{PROGRESS.format(ended=ended, runs=counted(len(current.runs), 'run'))}{left}")
        if any(get_store().requests.should_stop(run.id) for run in current.runs if run.is_active):
            st.caption(STOPPING)
        else:
            args = (get_store(), current.attempt)
            st.button(
                "Stop", icon=":material/stop:", key="stop-learning-curves", help=STOP_HELP, on_click=stop_attempt, args=args
            )


def _offer_resume(current: AttemptRuns, left: Sequence[Run]) -> None:
    """Say how many runs were not completed, and why those that have failed did; show the button that continues them."""
    reasons = " ".join(sorted({run.error for run in left if run.error}))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            plain(NOT_COMPLETED.format(runs=counted(len(left), "run was", "runs were"), reasons=reasons)), width="stretch"
        )
        is_pressed = st.button("Resume", icon=":material/resume:", key="resume-learning-curves", help=RESUME_HELP)
    if is_pressed:
        try:
            with st.spinner("Checking the images…"):
                resume_attempt(get_store(), current.attempt)
        except StudioError as error:
            show_data_error(error, NOTHING_STARTED)
            return
        st.rerun()


def _announcement(shown: AttemptRuns) -> str:
    """Return what a screen reader says when the runs have ended."""
    if shown.is_active:
        return ""
    return STOPPED if any(run.can_resume for run in shown.runs) else ENDED


def _show_outcome(current: AttemptRuns, outcomes: Sequence[Outcome], size: int) -> None:
    """Show the most accurate way at each size; at the end with the verdict on the prediction and the explanation."""
    asked = next((outcome for outcome in outcomes if outcome.size == size), None)
    if not outcomes:
        if not current.is_active:
            remedy = RESUME_OR_START if any(run.can_resume for run in current.runs) else START_AGAIN
            st.warning(NOTHING.format(size=size, remedy=remedy), icon=":material/warning:")
        return
    with st.container(border=True):
        if asked and not current.is_active:
            st.markdown(f"**{_verdict(asked, current.attempt.prediction)}**")
        st.markdown("\n".join(f"- {describe_outcome(outcome)}" for outcome in outcomes))
        if not current.is_active:
            st.markdown(f"**Explanation.** {EXPLANATION}")
            st.caption(SOURCE)
            st.page_link(
                page_file("runs"), label="All runs of exercises", icon=":material/table_rows:", query_params={"made": LESSONS}
            )


def describe_outcome(outcome: Outcome) -> str:
    """Return a sentence on which way is the most accurate at the outcome's size, and whether the difference is significant."""
    values = list(zip(*outcome.effect.pairs, strict=True))
    other, first = (sum(each) / len(each) for each in values)
    best, second = WAYS[outcome.best].title, WAYS[outcome.second].title
    text = CLEAR if outcome.is_clear else CLOSE
    return text.format(
        size=outcome.size, best=best, second=second, first=first, other=other, draws=counted(len(values[0]), "draw")
    )


def _verdict(outcome: Outcome, prediction: str) -> str:
    if prediction == UNKNOWN:
        return OPEN
    ways: set[Way] = {outcome.best} if outcome.is_clear else {outcome.best, outcome.second}
    return AGREES if prediction in ways else DIFFERS
