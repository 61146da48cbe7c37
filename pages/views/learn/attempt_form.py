"""The form of a new attempt at an exercise: the prediction, the data set, the number of pairs and the estimated time."""

from collections.abc import Generator, Sequence

import streamlit as st

from cnn_core.config.images import open_images
from cnn_core.data.library import imported_values
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.lessons.attempts import DEFAULT_PAIRS, MAX_PAIRS, start_attempt
from cnn_core.lessons.effect import PREDICTIONS, UNKNOWN
from cnn_core.lessons.exercises import DIGITS, VARIANTS, Exercise
from cnn_core.models.registry import FAMILIES
from cnn_core.text import counted, format_duration
from pages.shared import cache
from pages.shared.links import page_file
from pages.shared.people import check_paths, person
from pages.shared.refusal import NOTHING_STARTED
from pages.shared.removed_set import show_data_error
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.learn.prediction import PREDICTION, prediction_label

DIGITS_TITLE = "Digits"
PREDICTION_MISSING = "Choose your prediction first."
GET_PHOTOGRAPHS = "Get CIFAR-10 to train on photographs"
PHOTOGRAPHS = "cifar"  # data sets with this in their name can be chosen
ESTIMATE = (
    "{runs}, one after the other. Estimated time: {low} to {high} s on two cores, and longer while other programs use them."
)
AS_BEFORE = "{runs}, one after the other. Estimated time: {duration}, as in the earlier attempts at this exercise."
PAIR_SECONDS = 5  # of the fastest exercise on digits; the slowest takes less than three times as long (benchmarks/README.md)


def show_form(exercise: Exercise, *, is_repeated: bool) -> None:
    """Show the form; in an expander if the exercise has been attempted before."""
    with st.expander("New attempt", icon=":material/replay:") if is_repeated else st.container():
        prediction = _choose_prediction(exercise)
        data, pairs = _choose_data(exercise)
        show_duration(exercise, data, pairs)
        if st.button(
            "Train A and B",
            type="secondary" if is_repeated else "primary",  # the next exercise is the primary action then
            icon=":material/play_arrow:",
            disabled=prediction is None,
            key=f"train-{exercise.name}",
        ):
            _start(exercise, data, prediction or UNKNOWN, pairs)
        if prediction is None:  # a caption, because touch screens do not show the help of a disabled button
            st.caption(PREDICTION_MISSING)


def _choose_prediction(exercise: Exercise) -> str | None:
    st.markdown(f"{PREDICTION} {exercise.question}")
    return st.radio(
        "Prediction",
        PREDICTIONS,
        index=None,
        format_func=lambda choice: prediction_label(exercise.metric, choice),
        horizontal=True,
        key=f"prediction-{exercise.name}",
        label_visibility="collapsed",
    )


def _choose_data(exercise: Exercise) -> tuple[str, int]:
    """Show the fields for the data set and the number of pairs, and return both values."""
    sets = {DIGITS: DIGITS_TITLE, **photograph_sets(get_store().home)}
    left, right = st.columns(2)
    data = left.selectbox(
        "Data set",
        list(sets),
        format_func=lambda name: plain(sets[name]),
        key=f"images-{exercise.name}",
        help="Digits are included, and training on them is fast. To train on CIFAR-10, import it on the Data page first.",
    )
    pairs = right.number_input(
        "Pairs",
        min_value=1,
        max_value=MAX_PAIRS,
        value=DEFAULT_PAIRS,
        key=f"pairs-{exercise.name}",
        help=f"The number of seeds, 1 to {MAX_PAIRS}. Runs A and B of a pair have the same seed. The result of one pair may be due to chance; more "
        "pairs give a narrower confidence interval.",
    )
    if len(sets) == 1:
        st.page_link(page_file("data"), label=GET_PHOTOGRAPHS, icon=":material/photo_library:", query_params={"set": "cifar10"})
    return data, int(pairs)


def photograph_sets(home: Home) -> dict[str, str]:
    """Return the titles of the imported data sets with "cifar" in their name, by the value of the setting `data`.

    They are sets of the catalogue, imported sets, or folders on which a run was trained.
    """
    return {
        value: title
        for value, title in imported_values(home).items()
        if PHOTOGRAPHS in value.rstrip("/").rpartition("/")[2].lower()
    }


def _start(exercise: Exercise, data: str, prediction: str, pairs: int) -> None:
    try:
        with st.spinner("Checking the settings…"):
            check_paths(exercise.settings("B", data))
            start_attempt(get_store(), exercise.name, data, prediction, person(), pairs)
    except StudioError as error:
        show_data_error(error, NOTHING_STARTED)
        return
    st.rerun()


def show_duration(exercise: Exercise, data: str, pairs: int) -> None:
    """Show the estimated time: measured in advance for digits, measured at the press of a button for photographs."""
    if data == DIGITS:
        st.caption(digits_duration(pairs, _earlier_seconds(exercise)))
        return
    version = (exercise.name, data)
    if st.button(
        "Measure time",
        icon=":material/timer:",
        key=f"measure-{exercise.name}",
        help="Runs a few training steps of A and B on this machine. If a run is training at the same time, the result is too high.",
    ):
        cache.compute(cache.EXERCISE_TIMES, "pair", version, measure_pair(exercise, data))
    if (seconds := cache.load(cache.EXERCISE_TIMES, "pair", version)) is not None:
        st.caption(
            f"Estimated time: {format_duration(pairs * seconds)} on this machine, without validation. You can stop the runs at any time."
        )


def _earlier_seconds(exercise: Exercise) -> list[float]:
    """Return the durations of the exercise's completed runs on digits on this machine, in seconds."""
    runs = get_store().created_by(f"lesson/{exercise.name}")
    known = [run for run in runs if run.status == "finished" and run.config.data == DIGITS and run.summary.get("seconds")]
    return [run.summary["seconds"] for run in known]


def digits_duration(pairs: int, earlier: Sequence[float] = ()) -> str:
    """Return the number of runs and their estimated time on digits. earlier: seconds of earlier runs on this machine."""
    runs = counted(2 * pairs, "run")
    if earlier:
        return AS_BEFORE.format(runs=runs, duration=format_duration(2 * pairs * sum(earlier) / len(earlier)))
    return ESTIMATE.format(runs=runs, low=PAIR_SECONDS * pairs, high=3 * PAIR_SECONDS * pairs)


def measure_pair(exercise: Exercise, data: str) -> Generator[Progress, None, float]:
    """Return the seconds of all training steps of a pair. Raises StudioError if the data cannot be read or a model cannot be built."""
    from cnn_core.device import choose_arithmetic, choose_device
    from cnn_core.models.cost import measure_step_seconds

    total = 0.0
    for number, variant in enumerate(VARIANTS):
        yield Progress(f"Measuring {variant}", number, len(VARIANTS))
        config = exercise.settings(variant, data)
        info = open_images(config, get_store().home).info
        arithmetic = choose_arithmetic(
            config.precision, config.channels_last, choose_device(config.device), depthwise=FAMILIES[config.model].depthwise
        )
        seconds = measure_step_seconds(
            config.model,
            **info.shape,
            batch_size=config.batch_size,
            arithmetic=arithmetic,
            budget_seconds=0.5,
            **config.model_options,
        )
        total += seconds * config.steps_per_epoch(info) * config.epochs
    return total
