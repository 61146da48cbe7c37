"""Progress on anything that takes longer than a second: a generator of Progress, watched to its end or cancelled."""

import time
from collections.abc import Generator
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.events import Progress

Result = TypeVar("Result")
SURE_AFTER = 1.5  # seconds of a stage after which it can be told how long it will take
CANCELLED = "cancelled-work"


def watch(steps: Generator[Progress, None, Result], name: str = "") -> Result:
    """Run `steps` to its end under a progress bar, which goes when it is done or an error ends it, and give its value.

    Work with a `name`, different for different work, can be cancelled: the page then says so and ends here, with a button to start it again.
    Such work does not belong into a fragment: a press in one waits for what is running.
    """
    if name and st.session_state.get(CANCELLED) == name:
        _offer_again(name)
    place, bar, left = st.empty(), None, TimeLeft()
    try:
        while True:
            stage = next(steps)
            bar = bar or _open_bar(place, name)  # not before: work whose result is kept has nothing to show
            bar.progress(min(1.0, stage.done / max(stage.total, 1)), _in_words(stage) + left.in_words(stage, time.monotonic()))
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
        place.empty()


def _open_bar(place: DeltaGenerator, name: str) -> DeltaGenerator:
    """An empty bar in `place`, and below it the way out of work with a `name`."""
    with place.container():
        bar = st.empty()
        if name:  # a press runs the page again, which ends this run at its next report
            st.button("Cancel", key=f"cancel-{name}", icon=":material/close:", on_click=_cancel, args=(name,))
    return bar


class TimeLeft:
    """How long the work will still take, if it goes on as fast as since its first report of so many steps in all."""

    def __init__(self) -> None:
        self._total, self._first, self._last, self._begun = -1, 0, 0, 0.0

    def in_words(self, stage: Progress, now: float) -> str:
        """ ", about 12 s left"; nothing at the beginning and where there are no steps to count. `now`: seconds of a clock."""
        if stage.total != self._total or stage.done < self._last:
            self._total, self._first, self._begun = stage.total, stage.done, now
        self._last = stage.done
        gone, done = now - self._begun, stage.done - self._first
        if gone < SURE_AFTER or done <= 0:
            return ""
        seconds = gone * max(0, stage.total - stage.done) / done
        return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"


def _in_words(stage: Progress) -> str:
    return f"{stage.stage}: {stage.done:,} of {stage.total:,}" if stage.total > 1 else stage.stage


def _cancel(name: str) -> None:
    st.session_state[CANCELLED] = name


def _offer_again(name: str) -> None:
    st.info("Cancelled: nothing was lost, and nothing is shown here until it is computed.", icon=":material/close:")
    st.button("Start again", key=f"again-{name}", icon=":material/replay:", on_click=st.session_state.pop, args=(CANCELLED, None))
    st.stop()
