"""The view of your own image: the input on the left, the prediction on the right."""

import html
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.runs.run import Run
from pages.charts.components.canvas import mark_answered
from pages.charts.components.paste import take_pasted
from pages.shared.data_set_image import choose_data_set_image
from pages.shared.image_input import CAMERA, DRAW, UPLOAD, canvas_key, choose_input, draw, input_key, photograph, show_image
from pages.shared.run_models import compare_with_training, draws_light_on_dark, get_classifier
from pages.views.gallery.prediction import PREDICTION, show_prediction
from pages.views.gallery.uploads import UploadedImage, add_pasted, choose_files, read_file, show_prediction_grid

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.models.saving import ModelCard

TITLE = "Your own image"
KEY, FROM_SET = "gallery", "Data set"
EMPTY_TEXT = "Draw something or upload an image. The prediction appears here."
SUMMARY = f"{KEY}-summary"
PHONE_STYLE = """<style>
.st-key-gallery-summary { display: none; height: 2.25rem; overflow: hidden; }
.phone-summary { margin: 0; font-size: 1.25rem; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
@media (max-width: 640px) { .st-key-gallery-summary { display: flex; } }
</style>"""
CHOOSE_ONE = "Selected image"


def show_own_image(run: Run) -> None:
    """Show the view."""
    classifier = get_classifier(run)
    is_ink, summary = draws_light_on_dark(run), ""
    left, right = st.columns([2, 3], gap="medium")
    with left:
        source = choose_input(KEY, [DRAW, UPLOAD, CAMERA, FROM_SET], first_input(classifier.card))
        files = choose_files() if source == UPLOAD else []
        st.html(PHONE_STYLE)
        above = st.container(key=SUMMARY)  # not st.empty: that clears it at every rerun, and the canvas would move under the pen
        image = _read_image(source, run, classifier, files, is_ink=is_ink)
        take_pasted(f"{KEY}-paste", _take_pasted)
    with right:
        if len(files) > 1:
            _classify_several(run, classifier, files)
        elif image:
            summary = show_prediction(run, image)
        elif not files:  # the error of a single file is shown beside it
            st.info(EMPTY_TEXT, icon=":material/gesture:")
        if source == DRAW:
            prediction = summary and f"{PREDICTION}: {summary}"
            above.html(phone_summary(prediction))
            mark_answered(canvas_key(classifier.card, KEY, is_ink=is_ink), prediction)
        if compare_with_training(run) and (image or files):  # last, so that the prediction does not wait for it
            st.rerun()


def first_input(card: "ModelCard") -> str:
    """Return the input that is chosen at first: a drawing is like grey images, a photograph like colour ones."""
    return UPLOAD if card.channels == 3 and not card.ink else DRAW


def phone_summary(prediction: str) -> str:
    """Return the prediction in one line above the canvas, shown only where the columns stand one below the other. It keeps its height when empty."""
    return f'<p class="phone-summary" aria-hidden="true">{html.escape(prediction) or "&nbsp;"}</p>'


def _read_image(
    source: str, run: Run, classifier: "Classifier", files: list[UploadedImage], *, is_ink: bool
) -> DecodedImage | None:
    """Return the image to classify; None until there is one, and for several uploaded files."""
    if source == DRAW:
        return draw(classifier.card, KEY, is_live=True, is_ink=is_ink)
    if source == CAMERA:
        return photograph(KEY)
    if source == FROM_SET:
        return choose_data_set_image(run)
    image = read_file(files[0]) if len(files) == 1 else None
    if image:
        show_image(image, f"Uploaded image {files[0].name}")
    return image


def _take_pasted(files: list[tuple[str, bytes]]) -> None:
    """Add pasted files to the uploads, and show the uploads."""
    add_pasted(files)
    st.session_state[input_key(KEY)] = UPLOAD


def _classify_several(run: Run, classifier: "Classifier", files: list[UploadedImage]) -> None:
    """Show all predictions in a grid, and the details of a selected one."""
    classified = {file.id: file for file in show_prediction_grid(classifier, files)}
    if not classified:
        return
    chosen = st.selectbox(
        CHOOSE_ONE,
        [None, *classified],
        format_func=lambda file: classified[file].name if file else "Choose an image",
        key=f"{KEY}-one",
    )
    if chosen is None:
        return
    image = read_file(classified[chosen])
    if image:
        show_image(image, f"Uploaded image {classified[chosen].name}")
        show_prediction(run, image)
