"""Your own picture, classified at once: drawn or brought on the left, the answer on the right."""

import streamlit as st

from cnn_core.runs.store import Run
from pages.ui.gallery.answer import show_answer
from pages.ui.own_picture import take_picture
from pages.ui.session import get_classifier


def show_own(run: Run) -> None:
    """The view."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        picture = take_picture(get_classifier(run).card, "gallery")
    with right:
        if picture is None:
            st.info("Draw something, or upload a picture: the answer appears here.", icon=":material/gesture:")
        else:
            show_answer(run, picture)
