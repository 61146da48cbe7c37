"""How many models were evaluated on a test set: a sentence, or a warning if they are many."""

import streamlit as st

from cnn_core.data.open import open_source
from cnn_core.errors import DataError
from cnn_core.metrics.evaluated_models import MANY, count_models
from cnn_core.runs.run import Run
from cnn_core.text import counted
from pages.shared.server import get_store
from pages.shared.text import plain

USED = "Test set of {name} used to evaluate {models}."


def describe_test_set_usage(run: Run, epoch: int | None) -> str:
    """Return how many models were evaluated on the test set of `run`, including its best model (epoch None) or that of `epoch`.

    Many are shown as a warning; the text is then empty, as it is without the data set.
    """
    home, data = get_store().home, run.config.data
    try:
        name = plain(open_source(data, home).info.name)
    except DataError:
        return ""  # the view that reads the images shows the error
    count = count_models(home, data, run.id, epoch)
    text = USED.format(name=name, models=counted(count, "model"))
    if count < MANY:
        return text
    st.warning(
        f"{text} The best test accuracy of many models overestimates the accuracy on new images. Choose a model by validation accuracy, and use "
        "the test set once, at the end.",
        icon=":material/visibility:",
    )
    return ""
