"""The network at work: on a picture of your own, and on the test images. One view at a time."""

from collections.abc import Callable

import streamlit as st

from cnn_core.runs.run import Run
from pages.shared.run_selection import choose_trained_run
from pages.shared.tabs import choose_view
from pages.views.gallery.browse import show_test_images
from pages.views.gallery.export import show_export
from pages.views.gallery.many_images import show_many
from pages.views.gallery.model_import import show_model_import
from pages.views.gallery.own_image import show_own

VIEWS: dict[str, Callable[[Run], None]] = {
    "Your own picture": show_own,
    "Many pictures": show_many,
    "Test images": show_test_images,
    "Take it along": show_export,
}

st.title("Gallery")
run = choose_trained_run("to try out")
if run:
    VIEWS[choose_view("gallery", list(VIEWS))](run)
show_model_import()
