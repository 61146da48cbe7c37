"""One imported set: its facts, what to be warned of, and the views of it, of which only the chosen one is computed."""

from collections.abc import Callable

import streamlit as st

from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import ImportedSource
from cnn_core.data.library import DataQuality, check_quality, remove_set
from cnn_core.data.owners import owner_of
from cnn_core.errors import StudioError
from pages.shared.address import choose_view
from pages.shared.links import page_file
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.data.augmentation import show_augmentations
from pages.views.data.corrections import EDITED, show_corrections, show_duplicates, show_images
from pages.views.data.split import show_classes

View = Callable[[ImportedSource], None]


def show_set(name: str) -> None:
    st.session_state.pop(EDITED, None)
    source = ImportedSource(get_store().home.set_folder(name))
    health = check_quality(source)
    _show_facts(source, health)
    for warning in health.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    views: dict[str, View] = {
        "Images": show_images,
        "Classes and split": show_classes,
        f"Duplicates ({health.pairs['same'] + health.pairs['near']:,})": show_duplicates,
        f"Set aside ({health.problems:,})": _show_set_aside,
        f"Corrections ({health.excluded + health.relabelled:,})": show_corrections,
        "Augmentation": show_augmentations,
    }
    by_word = {view.split(" (")[0]: view for view in views}
    views[by_word[choose_view("data", list(by_word), by_word.__getitem__)]](source)
    _offer_more(name, source)


def _show_facts(source: ImportedSource, health: DataQuality) -> None:
    info = source.info
    figures = st.grid(5, min_column_width=130)
    figures.metric("Training images", f"{info.train_count:,}", border=True)
    figures.metric(
        "Validation images",
        f"{info.val_count:,}" if info.val_count else "a share",
        border=True,
        help="Measured after every epoch. Where the set has none of its own, a share of the training images is kept for it; the run's settings say how many.",
    )
    figures.metric("Test images", f"{info.test_count:,}", border=True, help="Looked at once, when a run is finished.")
    figures.metric("Classes", f"{len(info.classes)}", border=True, help=plain(", ".join(info.classes[:30])))
    figures.metric("Image size", f"{info.image_size} px", border=True, help=_about_sizes(health, info.channels))
    licence = f" · {CATALOG[info.name].licence}" if info.name in CATALOG else ""
    st.caption(
        f"Version {info.fingerprint}{licence}",
        help="Two runs with the same version used the same data. Every correction makes another version, undoing it brings the old one back.",
    )


def _about_sizes(health: DataQuality, channels: int) -> str:
    width, widest, height, tallest = health.sizes
    files = (
        f"{width}×{height}" if (width, height) == (widest, tallest) else f"{width} to {widest} wide, {height} to {tallest} high"
    )
    return f"{'Grey' if channels == 1 else 'Colour'}. The files are {files} pixels."


def _show_set_aside(source: ImportedSource) -> None:
    """Every file that is not used because it could not be read or trusted."""
    problems = source.index.problems()
    if not problems:
        st.success("Every file could be read.", icon=":material/check_circle:")
        return
    st.caption("These files are not used; the originals were not touched.")
    st.dataframe({"File": [one.path for one in problems], "Reason": [one.reason for one in problems]}, hide_index=True)


def _offer_more(name: str, source: ImportedSource) -> None:
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(page_file("configure"), label="Train on it", icon=":material/tune:", query_params={"data": name})
        if not may_change(owner := owner_of(source.folder)):
            show_owner(owner)
            return
        with st.popover("Remove this data set", icon=":material/delete:"):
            st.write(
                "The images and corrections kept by the studio go; the files that they were made of stay. Runs keep their models."
            )
            if st.button("Remove it", type="primary"):
                try:
                    remove_set(name, get_store().home)
                except StudioError as error:
                    st.error(plain(error), icon=":material/error:")
                else:
                    st.query_params.pop("set", None)
                    st.rerun()
