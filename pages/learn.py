"""The Learn page: exercises to train, how much images are worth, the glossary, and a convolution step by step."""

from collections.abc import Callable

import streamlit as st

from pages.shared.address import choose_view
from pages.shared.links import GLOSSARY
from pages.views.learn.convolution import show_convolution
from pages.views.learn.exercises import show_exercises
from pages.views.learn.glossary import show_glossary
from pages.views.learn.learning_curves import show_learning_curves

VIEWS: dict[str, Callable[[], None]] = {
    "Exercises": show_exercises,
    "Few images": show_learning_curves,
    GLOSSARY: show_glossary,
    "Convolution": show_convolution,
}

st.title("Learn")
VIEWS[choose_view("learn", list(VIEWS))]()
