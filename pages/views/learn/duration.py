"""How long an exercise will take: a word for the digits; for photographs measured at the press of a button, by real training steps."""

from collections.abc import Generator

import streamlit as st

from cnn_core.data.open import open_source
from cnn_core.events import Progress
from cnn_core.lessons.cards import DIGITS, SIDES, Lesson
from cnn_core.models.registry import FAMILIES
from pages.shared.server import get_store
from pages.shared.trial_times import in_words
from pages.shared.tryouts import keep, kept

PAIR_SECONDS = 5  # of the quickest exercise on digits; the slowest takes not three times as long (benchmarks/README.md)


def show_duration(lesson: Lesson, data: str, pairs: int) -> None:
    """About how long so many pairs take."""
    if data == DIGITS:
        st.caption(
            f"{2 * pairs} runs, one after the other: about {PAIR_SECONDS * pairs} to {3 * PAIR_SECONDS * pairs} s on two cores."
        )
        return
    key = ("lesson-seconds", lesson.name, data)
    if st.button(
        "Measure how long it takes",
        icon=":material/timer:",
        key=f"measure-{lesson.name}",
        help="Takes a few real training steps of A and B on this machine. A training that runs meanwhile slows both.",
    ):
        keep(key, measure_pair(lesson, data))
    if (seconds := kept(key)) is not None:
        st.caption(f"About {in_words(pairs * seconds)} on this machine, without validation. It can be stopped after any pair.")


def measure_pair(lesson: Lesson, data: str) -> Generator[Progress, None, float]:
    """Seconds that the training steps of one pair take. Raises StudioError where the set cannot be read or the network not be built."""
    from cnn_core.device import choose_arithmetic, choose_device
    from cnn_core.models.cost import measure_step_seconds

    info, total = open_source(data, get_store().home).info, 0.0
    for done, side in enumerate(SIDES):
        yield Progress(f"Measuring {side}", done, len(SIDES))
        config = lesson.settings(side, data)
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
