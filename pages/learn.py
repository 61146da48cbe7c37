"""Learning by doing: one view at a time of exercises to train, words to look up, and a convolution to look into."""

from collections.abc import Callable

import streamlit as st

from pages.ui.learning.exercises import show_exercises
from pages.ui.views import choose_view

VIEWS: dict[str, Callable[[], None]] = {
    "Exercises": show_exercises,
}

st.title("Learn")
VIEWS[choose_view("learn", list(VIEWS))]()
