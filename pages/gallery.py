"""The Gallery page: a trained model classifies your own images and the test images, and is exported or imported. One view at a time."""

from collections.abc import Callable

import streamlit as st

from cnn_core.runs.run import Run
from pages.shared.address import choose_view
from pages.shared.run_selection import choose_trained_run
from pages.views.gallery.browse import show_test_images
from pages.views.gallery.export import show_export
from pages.views.gallery.many_images import show_many_images
from pages.views.gallery.model_import import show_model_import
from pages.views.gallery.own_image import show_own_image

OWN, MANY, TEST, EXPORT = "Your own image", "Many images", "Test images", "Export"
VIEWS: dict[str, Callable[[Run], None]] = {
    OWN: show_own_image,
    MANY: show_many_images,
    TEST: show_test_images,
    EXPORT: show_export,
}

st.title("Gallery")
run = choose_trained_run("to try out")
if run:
    VIEWS[choose_view("gallery", list(VIEWS))](run)
show_model_import()
