"""Classes of a set and how it is split: counts by part, the mean image of each class, channel statistics, another split."""

import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import resplit
from cnn_core.data.owners import owner_of
from cnn_core.data.source import finish
from cnn_core.data.statistics import channel_statistics, mean_images
from cnn_core.errors import StudioError
from pages.charts.images import labelled_grid
from pages.shared.people import may_change
from pages.shared.text import plain

MOST_MEANS = 100


def show_classes(source: ImportedSource) -> None:
    classes, counts = source.info.classes, source.counts
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Images of every class")
        columns = {"Training": "train", "Validation": "val", "Test": "test"}
        rows = {title: counts[split] for title, split in columns.items()}
        if not source.info.val_count:
            del rows["Validation"]
        st.dataframe({"Class": classes, **rows}, hide_index=True, height="content" if len(classes) <= 15 else 560)
    with right:
        _show_split(source)
        _show_statistics(source.folder.name, source.info.fingerprint, source)
    st.subheader("Mean image of every class")
    st.caption(
        "The average of its training images: what all of them share. A class whose mean is sharp can be told by its outline alone."
    )
    st.html(labelled_grid(_means(source.folder.name, source.info.fingerprint, source), classes[:MOST_MEANS]))


def _show_split(source: ImportedSource) -> None:
    st.subheader("Split")
    split = source.facts.get("split")
    if source.facts["has_parts"] or not split:
        st.caption("The set itself says which images are for testing.")
        return
    st.caption("The set does not say which images are for testing, so a share of every class is kept for it, drawn with a seed.")
    if not may_change(owner_of(source.folder)):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        share = st.number_input("Test share (0.01 to 0.9)", value=split["test_share"], step=0.05, format="%g", width=170)
        seed = st.number_input("Seed", value=split["seed"], step=1, width=120)
        if st.button(
            "Split anew",
            icon=":material/call_split:",
            help="Makes another version of the data: runs on it cannot be compared with earlier ones.",
        ):
            try:
                resplit(source.index, share, seed)
            except StudioError as error:
                st.error(plain(error), icon=":material/error:")
            else:
                st.rerun()


def _show_statistics(name: str, version: str, source: ImportedSource) -> None:
    st.subheader("Channels")
    means, deviations = _statistics(name, version, source)
    channels = ("Red", "Green", "Blue") if len(means) == 3 else ("Grey",)
    st.caption(
        "Of the training images, as shares of full brightness. Images are normalised with such figures before the network gets them."
    )
    st.dataframe({"Channel": channels, "Mean": means, "Deviation": deviations}, hide_index=True, height="content")


@st.cache_data(max_entries=8, show_spinner="Averaging…")
def _statistics(name: str, version: str, _source: ImportedSource) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return channel_statistics(finish(_source.load("train")))


@st.cache_data(max_entries=8, show_spinner="Averaging…")
def _means(name: str, version: str, _source: ImportedSource) -> object:
    return mean_images(finish(_source.load("train")), len(_source.info.classes))[:MOST_MEANS]
