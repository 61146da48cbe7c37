"""Ways to pin an image to a run: chosen from its data set, uploaded or drawn, each shown as the network receives it."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from cnn_core.data.decoder import SUFFIXES, DecodedImage, read_image
from cnn_core.data.imported import OnDemandSource
from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, DataSource, ImageSet
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from cnn_core.training.tracked_images import MOST, TrackedImage, pin
from pages.charts.components.canvas import drawing_canvas
from pages.charts.images import image_html
from pages.shared.choice import choose_number
from pages.shared.progress import run_with_progress
from pages.shared.run_models import images_of
from pages.shared.server import get_store
from pages.shared.text import plain

HANDFUL = 5
VALIDATION, TEST = "Validation images", "Test images"
NAMES = {VALIDATION: "validation image", TEST: "test image"}


@st.fragment
def pin_images(run: Run, probes: Sequence[TrackedImage]) -> None:
    """One way at a time, none of them opened before it is asked for; what goes wrong is said, and nothing is pinned."""
    if len(probes) >= MOST:
        st.caption(f"All {MOST} places are taken. Remove a probe to pin another image.")
        return
    way = st.segmented_control("Pin an image", list(WAYS), key=f"probe-way-{run.id}")
    if way:
        try:
            WAYS[way](run, open_source(run.config.data, get_store().home), probes)
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")


def _choose(run: Run, source: DataSource, probes: Sequence[TrackedImage]) -> None:
    """An image by class and number, or a handful at random."""
    known = get_store().data_version(run.id)
    if known and known != source.info.fingerprint:
        st.info("The data set has changed since this run began. Upload an image instead.", icon=":material/info:")
        return
    if isinstance(source, OnDemandSource) and not source.is_imported:
        _offer_reading(source)
        return
    classes = source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Part",
            [VALIDATION, TEST],
            default=VALIDATION,
            required=True,
            key=f"probe-part-{run.id}",
            help="Images that it does not learn from. Validation images may guide your choices; test images are better left alone.",
        )
        label = st.selectbox(
            "Class", range(len(classes)), format_func=classes.__getitem__, width=220, key=f"probe-class-{run.id}"
        )
        images = images_of(run, "val" if part == VALIDATION else "test")
        places = np.flatnonzero(images.labels == label)
        if len(places):
            number = choose_number("Image", 1, len(places), f"probe-number-{run.id}-{part}-{label}", width=200)
        if st.button(
            "Pin a random handful", icon=":material/casino:", help=f"Up to {HANDFUL} images, of as many classes as can be."
        ):
            _pin(run, _random_handful(images, part, probes))
    if not len(places):
        st.info("This class has no image in this part. Choose another class or part.", icon=":material/search:")
        return
    chosen = _probe(images, part, int(places[number - 1]))
    st.html(image_html(chosen.pixels, f"{chosen.label}, as the network receives it", width=96))
    if st.button("Pin it", type="primary", icon=":material/push_pin:"):
        _pin(run, [chosen])


def _offer_reading(source: OnDemandSource) -> None:
    st.info("The images have not been read yet: that is done when the run begins.", icon=":material/info:")
    if st.button("Read them now", icon=":material/photo_library:", help="Downloads them where they are not on this machine."):
        run_with_progress(source.load("train"))
        st.rerun()


def _upload(run: Run, source: DataSource, probes: Sequence[TrackedImage]) -> None:
    types = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
    file = st.file_uploader(
        "Picture (JPEG, PNG, WebP, BMP or GIF, up to 64 MB)", type=types, max_upload_size=64, key=f"probe-upload-{run.id}"
    )
    if file:
        picture = read_image(file.getvalue(), f"“{file.name}”")
        for note in picture.notes:
            st.caption(note)
        _offer(run, source.info, picture, file.name, "upload")


def _draw(run: Run, source: DataSource, probes: Sequence[TrackedImage]) -> None:
    ink = source.info.ink
    st.caption("Draw one digit, large." if ink else "Draw something that the network learns.")
    data = drawing_canvas("probe-ink" if ink else "probe-colour", is_ink=bool(ink))
    if data:
        count = sum(probe.origin == "drawing" for probe in probes)
        _offer(run, source.info, read_image(data, "The drawing"), f"drawing {count + 1}", "drawing")


def _offer(run: Run, info: DataInfo, picture: DecodedImage, label: str, origin: str) -> None:
    """The picture as the network would receive it, its class where somebody knows it, and a button."""
    with st.spinner("Making the picture ready…"):
        from cnn_core.inference.preprocessing import received

        pixels = received(picture.image, info)
    st.html(image_html(pixels, f"{label}, as the network receives it", width=96))
    truth = st.selectbox(
        "True class",
        [-1, *range(len(info.classes))],
        format_func=lambda number: "not known" if number < 0 else info.classes[number],
        width=220,
        key=f"probe-truth-{run.id}-{origin}",
        help="Only to show whether the network is right; it learns nothing from it.",
    )
    if st.button("Pin it", type="primary", icon=":material/push_pin:"):
        _pin(run, [TrackedImage(pixels, label, truth, origin)])


WAYS: dict[str, Callable[[Run, DataSource, Sequence[TrackedImage]], None]] = {
    "From the data set": _choose,
    "Upload": _upload,
    "Draw": _draw,
}


def _pin(run: Run, new: Sequence[TrackedImage]) -> None:
    pin(get_store().home.run_folder(run.id), new)
    st.rerun()


def _probe(images: ImageSet, part: str, place: int) -> TrackedImage:
    return TrackedImage(images[place], f"{NAMES[part]} {place:,}", int(images.labels[place]), "set")


def _random_handful(images: ImageSet, part: str, probes: Sequence[TrackedImage]) -> list[TrackedImage]:
    """Images that are not pinned yet, of as many classes as can be; as many as there is room for."""
    rng = np.random.default_rng()  # a generator of its own: a training in this process draws from others
    pinned, room, chosen = {probe.name for probe in probes}, min(HANDFUL, MOST - len(probes)), []
    rounds = [rng.permutation(np.unique(images.labels)) for _ in range(HANDFUL)]
    for label in np.concatenate(rounds):
        if len(chosen) == room:
            break
        probe = _probe(images, part, int(rng.choice(np.flatnonzero(images.labels == label))))
        if probe.name not in pinned:
            pinned.add(probe.name)
            chosen.append(probe)
    return chosen
