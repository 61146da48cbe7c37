"""Pinning images to a run: from its data set, uploaded or drawn, each shown as the model receives it."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from cnn_core.config.images import open_images
from cnn_core.data.decoder import DecodedImage, read_image
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from cnn_core.training.tracked_images import MAX_IMAGES, TrackedImage, add_tracked_images
from pages.charts.components.canvas import drawing_canvas
from pages.charts.images import image_html
from pages.shared.choice import choose_number
from pages.shared.image_input import FORMATS, MAX_FILE_MB, TYPES
from pages.shared.notices import show_notices
from pages.shared.progress import run_with_progress
from pages.shared.removed_set import show_data_error
from pages.shared.run_models import images_of
from pages.shared.server import get_store

RANDOM_IMAGES = 5
VALIDATION, TEST = "Validation images", "Test images"
FULL = f"{MAX_IMAGES} images are pinned, which is the maximum. Remove one to pin another."
NOT_IMPORTED = "The images have not been imported yet. They are imported when the run starts."
IMPORT_NOW = "Import now"
NAMES = {VALIDATION: "validation image", TEST: "test image"}


@st.fragment
def show_pinning(run: Run, tracked: Sequence[TrackedImage]) -> None:
    """Show the choice of a source of images, and the form of the chosen one."""
    show_notices()
    if len(tracked) >= MAX_IMAGES:
        st.caption(FULL)
        return
    source_name = st.segmented_control("Pin an image", list(SOURCES), key=f"tracked-way-{run.id}")
    if source_name:
        try:
            SOURCES[source_name](run, open_images(run.config, get_store().home), tracked)
        except StudioError as error:
            show_data_error(error)


def _choose(run: Run, source: DataSource, tracked: Sequence[TrackedImage]) -> None:
    """Choose an image by class and number, or a few at random."""
    known = get_store().data_version(run.id)
    if known and known != source.info.fingerprint:
        st.info("The data set has changed since this run began. Upload an image instead.", icon=":material/info:")
        return
    if isinstance(source, OnDemandSource) and not source.is_imported:
        _show_read_button(source)
        return
    classes = source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control(
            "Split",
            [VALIDATION, TEST],
            default=VALIDATION,
            required=True,
            key=f"tracked-split-{run.id}",
            help="Images that the model does not train on. Use validation images for choices, and keep test images for the final evaluation.",
        )
        label = st.selectbox(
            "Class", range(len(classes)), format_func=classes.__getitem__, width=220, key=f"tracked-class-{run.id}"
        )
        images = images_of(run, "val" if split == VALIDATION else "test")
        indices = np.flatnonzero(images.labels == label)
        if len(indices):
            number = choose_number("Image", 1, len(indices), f"tracked-number-{run.id}-{split}-{label}", width=200)
        if st.button(
            "Pin random images",
            key=f"pin-random-{run.id}",
            icon=":material/casino:",
            help=f"Up to {RANDOM_IMAGES} images of as many classes as possible.",
        ):
            _pin(run, _random_images(images, split, tracked))
    if not len(indices):
        st.info("This class has no image in this split. Choose another class or split.", icon=":material/search:")
        return
    chosen = _to_tracked(images, split, int(indices[number - 1]))
    st.html(image_html(chosen.pixels, f"{chosen.label}, as the model receives it", width=96))
    if st.button("Pin", key=f"pin-{run.id}", type="primary", icon=":material/push_pin:"):
        _pin(run, [chosen])


def _show_read_button(source: OnDemandSource) -> None:
    st.info(NOT_IMPORTED, icon=":material/info:")
    if st.button(IMPORT_NOW, icon=":material/photo_library:", help="Downloads the images if they are not on this machine."):
        run_with_progress(source.load("train"))
        st.rerun()


def _upload(run: Run, source: DataSource, tracked: Sequence[TrackedImage]) -> None:
    file = st.file_uploader("Image", help=f"{FORMATS}.", type=TYPES, max_upload_size=MAX_FILE_MB, key=f"tracked-upload-{run.id}")
    if file:
        decoded = read_image(file.getvalue(), f"“{file.name}”")
        for note in decoded.notes:
            st.caption(note)
        _show_image(run, source.info, decoded, file.name, "upload")


def _draw(run: Run, source: DataSource, tracked: Sequence[TrackedImage]) -> None:
    ink = source.info.ink
    st.caption("Draw one large digit." if ink else "Draw an object of one of the classes.")
    data = drawing_canvas("tracked-ink" if ink else "tracked-colour", is_ink=bool(ink))
    if data:
        count = sum(image.origin == "drawing" for image in tracked)
        _show_image(run, source.info, read_image(data, "The drawing"), f"drawing {count + 1}", "drawing")


def _show_image(run: Run, info: DataInfo, decoded: DecodedImage, label: str, origin: str) -> None:
    """Show the image as the model receives it, a choice of its true class, and a button."""
    with st.spinner("Preparing the image…"):
        from cnn_core.inference.preprocessing import preprocess

        pixels = preprocess(decoded, info)
    st.html(image_html(pixels, f"{label}, as the model receives it", width=96))
    truth = st.selectbox(
        "True class",
        [-1, *range(len(info.classes))],
        format_func=lambda number: "unknown" if number < 0 else info.classes[number],
        width=220,
        key=f"tracked-truth-{run.id}-{origin}",
        help="Used only to mark predictions as correct or wrong. The model is not trained on it.",
    )
    if st.button("Pin", key=f"pin-{run.id}", type="primary", icon=":material/push_pin:"):
        _pin(run, [TrackedImage(pixels, label, truth, origin)])


SOURCES: dict[str, Callable[[Run, DataSource, Sequence[TrackedImage]], None]] = {
    "From the data set": _choose,
    "Upload": _upload,
    "Draw": _draw,
}


def _pin(run: Run, new: Sequence[TrackedImage]) -> None:
    add_tracked_images(get_store().home.run_folder(run.id), new)
    st.rerun()


def _to_tracked(images: ImageSet, split: str, index: int) -> TrackedImage:
    return TrackedImage(images[index], f"{NAMES[split]} {index:,}", int(images.labels[index]), "set")


def _random_images(images: ImageSet, split: str, tracked: Sequence[TrackedImage]) -> list[TrackedImage]:
    """Return images that are not pinned yet, of as many classes as possible."""
    rng = np.random.default_rng()  # a generator of its own: a training in this process draws from others
    pinned, room = {image.name for image in tracked}, min(RANDOM_IMAGES, MAX_IMAGES - len(tracked))
    chosen: list[TrackedImage] = []
    rounds = [rng.permutation(np.unique(images.labels)) for _ in range(RANDOM_IMAGES)]
    for label in np.concatenate(rounds):
        if len(chosen) == room:
            break
        image = _to_tracked(images, split, int(rng.choice(np.flatnonzero(images.labels == label))))
        if image.name not in pinned:
            pinned.add(image.name)
            chosen.append(image)
    return chosen
