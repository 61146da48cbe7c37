"""How many networks were looked at on these test images: told beside the choice of images, and warned of when they are many."""

import streamlit as st

from cnn_core.data.open import open_source
from cnn_core.errors import DataError
from cnn_core.metrics.test_set_usage import MANY, count_models
from cnn_core.runs.run import Run
from pages.shared.server import get_store
from pages.shared.text import plain


def show_test_set_usage(run: Run, epoch: int | None) -> None:
    """Below the choice of test images of the network after `epoch` of `run`, or its best one."""
    home, data = get_store().home, run.config.data
    try:
        name = plain(open_source(data, home).info.name)
    except DataError:
        return  # whoever reads the images says so
    count = count_models(home, data, run.id, epoch)
    told = f"Test images of {name} looked at for {count:,} network{'' if count == 1 else 's'}."
    if count < MANY:
        st.caption(told)
        return
    st.warning(
        f"{told} Whoever chooses the best of so many by these images finds its accuracy too good: part of it is luck on just these images. "
        "Choose by validation images, and look at the test images once, at the end.",
        icon=":material/visibility:",
    )
