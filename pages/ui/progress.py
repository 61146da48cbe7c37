"""Progress on anything that takes longer than a second: a generator of Progress, watched to its end."""

from collections.abc import Generator
from typing import TypeVar

import streamlit as st

from cnn_core.events import Progress

Result = TypeVar("Result")


def watch(steps: Generator[Progress, None, Result]) -> Result:
    """Run `steps` to its end under a progress bar, which goes when it is done or an error ends it, and give its value."""
    place = st.empty()
    try:
        while True:
            stage = next(steps)
            place.progress(min(1.0, stage.done / max(stage.total, 1)), stage.stage)
    except StopIteration as end:
        return end.value
    finally:
        place.empty()
