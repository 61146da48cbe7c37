"""The network at work: on a picture of your own, and on the test images. One view at a time."""

from collections.abc import Callable

import streamlit as st

from cnn_core.runs.store import Run
from pages.ui.gallery.bring_back import show_bring_back
from pages.ui.gallery.browse import show_test_images
from pages.ui.gallery.many import show_many
from pages.ui.gallery.own import show_own
from pages.ui.gallery.take_along import show_take_along
from pages.ui.session import choose_trained_run
from pages.ui.views import choose_view

VIEWS: dict[str, Callable[[Run], None]] = {
    "Your own picture": show_own,
    "Many pictures": show_many,
    "Test images": show_test_images,
    "Take it along": show_take_along,
}

st.title("Gallery")
run = choose_trained_run("to try out")
if run:
    VIEWS[choose_view("gallery", list(VIEWS))](run)
show_bring_back()
