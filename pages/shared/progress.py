"""Progress bars: run a generator of Progress to its end under a bar, with a button that cancels it."""

import time
from collections.abc import Generator
from typing import TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.events import Progress
from cnn_core.text import format_duration

Result = TypeVar("Result")
ESTIMATE_AFTER = 1.5  # seconds of a stage after which the time left is estimated
CANCELLED = "cancelled-work"  # session key: the name of the work that was cancelled last
TIME_LEFT = "about {time} left"
CANCELLED_TEXT = "The computation was cancelled. Choose “Start again” to repeat it."


def run_with_progress(steps: Generator[Progress, None, Result], name: str = "") -> Result:
    """Run `steps` to the end under a progress bar and return their value. The bar disappears at the end and at an error.

    Work with a `name`, different for different work, can be cancelled: the page then shows a message with a button to start again, and nothing below it.
    Do not use such work in a fragment: there a press on Cancel waits until the fragment is done.
    """
    if name and st.session_state.get(CANCELLED) == name:
        _offer_restart(name)
    place, bar, left = st.empty(), None, TimeLeft()
    try:
        while True:
            stage = next(steps)
            bar = bar or _open_bar(place, name)  # not earlier: a stored result needs no bar
            bar.progress(min(1.0, stage.done / max(stage.total, 1)), _describe(stage) + left.estimate(stage, time.monotonic()))
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        steps.close()
        place.empty()


def _open_bar(place: DeltaGenerator, name: str) -> DeltaGenerator:
    """Return an empty bar in `place`, with a Cancel button below it for work with a `name`."""
    with place.container():
        bar = st.empty()
        if name:  # a press reruns the page, which ends this run at its next report
            st.button("Cancel", key=f"cancel-{name}", icon=":material/close:", on_click=_cancel, args=(name,))
    return bar


class TimeLeft:
    """The estimated time left, from the mean speed since the stage's first report."""

    def __init__(self) -> None:
        self._total, self._first, self._last, self._begun = -1, 0, 0, 0.0

    def estimate(self, stage: Progress, now: float) -> str:
        """Return ", about 12 s left"; nothing at the beginning and for stages without steps. now: seconds of a clock."""
        if stage.total != self._total or stage.done < self._last:
            self._total, self._first, self._begun = stage.total, stage.done, now
        self._last = stage.done
        elapsed, done = now - self._begun, stage.done - self._first
        if elapsed < ESTIMATE_AFTER or done <= 0:
            return ""
        seconds = elapsed * max(0, stage.total - stage.done) / done
        return f", {TIME_LEFT.format(time=format_duration(seconds))}"


def _describe(stage: Progress) -> str:
    return f"{stage.stage}: {stage.done:,} of {stage.total:,}" if stage.total > 1 else stage.stage


def _cancel(name: str) -> None:
    st.session_state[CANCELLED] = name


def _offer_restart(name: str) -> None:
    st.info(CANCELLED_TEXT, icon=":material/close:")
    st.button("Start again", key=f"again-{name}", icon=":material/replay:", on_click=st.session_state.pop, args=(CANCELLED, None))
    st.stop()
