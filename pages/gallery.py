"""The Gallery page: classify your own images, browse the test images, export a model or import one. Shows one view at a time."""

from collections.abc import Callable

import streamlit as st

from cnn_core.runs.run import Run
from pages.shared.address import choose_view
from pages.shared.run_selection import choose_trained_run
from pages.shared.server import get_store
from pages.views.gallery import browse, export, many_images, own_image
from pages.views.gallery.model_import import show_model_import

VIEWS: dict[str, Callable[[Run], None]] = {
    own_image.TITLE: own_image.show_own_image,
    many_images.TITLE: many_images.show_many_images,
    browse.TITLE: browse.show_test_images,
    export.TITLE: export.show_export,
}

st.title("Gallery")
requested = st.query_params.get("run")
run = choose_trained_run("to try out")
if run:
    is_listed = requested in (None, *(one.id for one in get_store().runs()))
    if not is_listed and st.query_params.get("view") == browse.TITLE:  # another run is shown: its test images only when asked for
        del st.query_params["view"]
    VIEWS[choose_view("gallery", list(VIEWS))](run)
show_model_import()
