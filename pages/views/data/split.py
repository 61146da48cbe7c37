"""Classes and splits of a data set: counts by split, the mean image of each class, channel statistics, and drawing another split."""

from contextlib import suppress

import numpy as np
import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.owners import owner_of
from cnn_core.data.source import Split, finish
from cnn_core.data.split_changes import resplit, use_validation_images, validation_images_are
from cnn_core.data.statistics import channel_statistics, mean_images
from cnn_core.data.validation_use import AS_TEST, AS_VALIDATION
from cnn_core.errors import DataError, StudioError
from pages.charts.images import labelled_grid
from pages.shared.people import may_change
from pages.shared.split_question import AS_TEST_LABEL, AS_VALIDATION_LABEL
from pages.shared.text import plain

CHANGES_VERSION = "Changes the version of the data: later runs cannot be compared with earlier ones."
MAX_MEAN_IMAGES = 100
MAX_ROWS = 15  # of the table of classes before it scrolls
MEAN_IMAGES = "The average of the training images of each class. A sharp mean image shows that the images of the class are alike in shape and position."
MADE_FROM = "They are made from the photographs at {side}×{side} pixels, cropped to the middle."
STATISTICS = (
    "Mean and standard deviation of the pixel values (0 to 1) of the training images. Images are normalised with them before they enter the model, unless "
    "its pretrained weights have a mean and a standard deviation of their own."
)
MEASURED_ON = "They are measured here on the photographs at {side}×{side} pixels; each run measures them at its own image size."
TEST_FRACTION = "Test fraction"
COLUMNS: dict[str, Split] = {"Training": "train", "Validation": "val", "Test": "test"}


def show_classes(source: ImportedSource) -> None:
    """Show the images per class and split, the split, channel statistics and mean images."""
    classes, counts = source.info.classes, source.counts
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Images per class")
        columns = {title: counts[split] for title, split in COLUMNS.items() if split != "val" or source.info.val_count}
        st.dataframe({"Class": classes, **columns}, hide_index=True, height="content" if len(classes) <= MAX_ROWS else 560)
    with right:
        _show_split(source)
        _show_statistics(source)
    st.subheader("Mean images")
    st.caption(MEAN_IMAGES + _say_size(source, MADE_FROM))
    st.html(labelled_grid(_mean_images(source.folder.name, source.info.fingerprint, source), classes[:MAX_MEAN_IMAGES]))


def _say_size(source: ImportedSource, text: str) -> str:
    """Return, for photographs, the size at which they are summarised here, which is not that of a run."""
    return f" {text.format(side=source.info.image_size)}" if source.info.kept_side else ""


def _show_split(source: ImportedSource) -> None:
    st.subheader("Split")
    drawn = source.facts.get("split")
    use = validation_images_are(source.facts, source.index)
    if use:
        st.caption(source.describe_validation())
        if may_change(owner_of(source.folder)):
            other = AS_VALIDATION if use == AS_TEST else AS_TEST
            st.button(
                AS_TEST_LABEL if other == AS_TEST else AS_VALIDATION_LABEL,
                icon=":material/swap_horiz:",
                key="data-validation-use",
                help=CHANGES_VERSION,
                on_click=_use_validation,
                args=(source, other),
            )
        if use == AS_TEST:
            return
    elif source.facts["has_parts"] or not drawn:
        st.caption("The data set comes with test images.")
        return
    else:
        st.caption("The data set comes without test images, so a random fraction of each class is used for testing.")
    if drawn is None or not may_change(owner_of(source.folder)):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fraction = st.number_input(
            TEST_FRACTION, value=drawn["test_share"], step=0.05, format="%g", width=170, help="0.01 to 0.9 of the images."
        )
        seed = st.number_input("Split seed", value=drawn["seed"], step=1, width=120)
        if st.button(
            "Draw split",
            icon=":material/call_split:",
            key="data-resplit",
            help=CHANGES_VERSION,
        ):
            try:
                resplit(source.index, fraction, seed)
            except StudioError as error:
                st.error(plain(error), icon=":material/error:")
            else:
                st.rerun()


def _use_validation(source: ImportedSource, validation_as: str) -> None:
    with suppress(DataError):  # nothing to choose any more: another page has changed the data set
        use_validation_images(source, validation_as)


def _show_statistics(source: ImportedSource) -> None:
    st.subheader("Channels")
    means, stds = _statistics(source.folder.name, source.info.fingerprint, source)
    channels = ("Red", "Green", "Blue") if len(means) == 3 else ("Grey",)
    st.caption(STATISTICS + _say_size(source, MEASURED_ON))
    st.dataframe({"Channel": channels, "Mean": means, "Standard deviation": stds}, hide_index=True, height="content")


@st.cache_data(max_entries=8, show_spinner="Averaging…")
def _statistics(name: str, version: str, _source: ImportedSource) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return channel_statistics(finish(_source.load("train")))


@st.cache_data(max_entries=8, show_spinner="Averaging…")
def _mean_images(name: str, version: str, _source: ImportedSource) -> np.ndarray:
    return mean_images(finish(_source.load("train")), len(_source.info.classes))[:MAX_MEAN_IMAGES]
