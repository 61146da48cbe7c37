"""Progress on anything that takes longer than a second: a generator of Progress, watched to its end or cancelled."""

from collections.abc import Generator
from typing import TypeVar

import streamlit as st

from cnn_core.events import Progress

Result = TypeVar("Result")
CANCELLED = "cancelled-work"


def watch(steps: Generator[Progress, None, Result], name: str = "") -> Result:
    """Run `steps` to its end under a progress bar, which goes when it is done or an error ends it, and give its value.

    Work with a `name`, different for different work, can be cancelled: the page or fragment then says so and ends here, with a button to start it again.
    """
    if name and st.session_state.get(CANCELLED) == name:
        _offer_again(name)
    place = st.empty()
    with place.container():
        bar = st.empty()
        if name:  # a press runs the page again, which ends this run at its next report
            st.button("Cancel", key=f"cancel-{name}", icon=":material/close:", on_click=_cancel, args=(name,))
    try:
        while True:
            stage = next(steps)
            bar.progress(min(1.0, stage.done / max(stage.total, 1)), _in_words(stage))
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
        place.empty()


def _in_words(stage: Progress) -> str:
    return f"{stage.stage}: {stage.done:,} of {stage.total:,}" if stage.total > 1 else stage.stage


def _cancel(name: str) -> None:
    st.session_state[CANCELLED] = name


def _offer_again(name: str) -> None:
    st.info("Cancelled: nothing was lost, and nothing is shown here until it is computed.", icon=":material/close:")
    st.button("Start again", key=f"again-{name}", icon=":material/replay:", on_click=st.session_state.pop, args=(CANCELLED, None))
    st.stop()
