"""Your own picture, classified at once: drawn or brought on the left, the answer on the right."""

from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.runs.run import Run
from pages.charts.components.canvas import mark_answered
from pages.charts.components.paste import take_pasted
from pages.shared.data_set_image import choose_from_set
from pages.shared.own_image import CAMERA, DRAW, UPLOAD, canvas_key, choose_way, draw, photograph, show_own_image, way_key
from pages.shared.run_selection import get_classifier
from pages.views.gallery.prediction import show_answer
from pages.views.gallery.uploads import UploadedImage, bring_files, keep_pasted, read_one, show_grid

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier

KEY, FROM_SET = "gallery", "Data set"


def show_own(run: Run) -> None:
    """The view."""
    classifier = get_classifier(run)
    left, right = st.columns([2, 3], gap="large")
    with left:
        way = choose_way(KEY, [DRAW, UPLOAD, CAMERA, FROM_SET])
        files = bring_files() if way == UPLOAD else []
        picture = _take(way, run, classifier, files)
        take_pasted(f"{KEY}-paste", _take_pasted)
    with right:
        if len(files) > 1:
            _answer_many(run, classifier, files)
        elif picture:
            show_answer(run, picture)
        elif not files:  # what is wrong with a file is said beside it
            st.info("Draw something, or upload a picture: the answer appears here.", icon=":material/gesture:")
        if way == DRAW:
            mark_answered(canvas_key(classifier.card, KEY))


def _take(way: str, run: Run, classifier: "Classifier", files: list[UploadedImage]) -> DecodedImage | None:
    """The one picture that is asked about; None until there is one, and where there are several."""
    if way == DRAW:
        return draw(classifier.card, KEY, is_live=True)
    if way == CAMERA:
        return photograph(KEY)
    if way == FROM_SET:
        return choose_from_set(run)
    picture = read_one(files[0]) if len(files) == 1 else None
    if picture:
        show_own_image(picture, f"Uploaded picture {files[0].name}")
    return picture


def _take_pasted(files: list[tuple[str, bytes]]) -> None:
    """Keep what was pasted, and show it, whatever was shown."""
    keep_pasted(files)
    st.session_state[way_key(KEY)] = UPLOAD


def _answer_many(run: Run, classifier: "Classifier", files: list[UploadedImage]) -> None:
    """All of them side by side, and the one that is chosen in full."""
    answered = {file.id: file for file in show_grid(classifier, files)}
    if not answered:
        return
    chosen = st.selectbox(
        "One of them in full",
        [None, *answered],
        format_func=lambda file: answered[file].name if file else "Choose a picture",
    )
    picture = read_one(answered[chosen]) if chosen else None
    if picture:
        show_own_image(picture, f"Uploaded picture {answered[chosen].name}")
        show_answer(run, picture)
