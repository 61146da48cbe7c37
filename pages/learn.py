"""Learning by doing: one view at a time of exercises to train, words to look up, and a convolution to look into."""

from collections.abc import Callable

import streamlit as st

from pages.ui.learning.convolution import show_convolution
from pages.ui.learning.exercises import show_exercises
from pages.ui.learning.glossary import show_glossary
from pages.ui.links import GLOSSARY
from pages.ui.views import choose_view

VIEWS: dict[str, Callable[[], None]] = {
    "Exercises": show_exercises,
    GLOSSARY: show_glossary,
    "See a convolution": show_convolution,
}

st.title("Learn")
VIEWS[choose_view("learn", list(VIEWS))]()
